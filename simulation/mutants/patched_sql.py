"""For mutants whose bug is in the ledger's SQL: its statements with another text in one place."""

from pathlib import Path
from typing import Any

import aiosql

from bank.ledger import post, write
from simulation.mutants.mutant import patch


def patch_write_batch(right: str, wrong: str) -> None:
    """Let the ledger write batches with `wrong` where the statement says `right`. Raises ValueError where it is not."""
    _patch(write.queries, "write_batch", right, wrong)


def patch_find_keys(right: str, wrong: str) -> None:
    """Let batches find keys with `wrong` where the statement says `right`. Raises ValueError where it is not."""
    _patch(post.queries, "find_keys", right, wrong)


def _patch(queries: Any, name: str, right: str, wrong: str) -> None:
    text = Path(post.__file__).with_name("queries.sql").read_text("utf-8")
    if text.count(right) != 1:
        raise ValueError(f"the statement to patch says {right!r} {text.count(right)} times, not once")
    patch(queries, name, getattr(aiosql.from_str(text.replace(right, wrong), "asyncpg"), name))
