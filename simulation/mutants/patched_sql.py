"""For mutants whose bug is in the ledger's SQL: its statements with another text in one place."""

from pathlib import Path

import aiosql

from bank.ledger import post
from simulation.mutants.mutant import patch


def patch_write_batch(right: str, wrong: str) -> None:
    """Let the ledger write batches with `wrong` where the statement says `right`. Raises ValueError where it is not."""
    text = Path(post.__file__).with_name("queries.sql").read_text("utf-8")
    if text.count(right) != 1:
        raise ValueError(f"the statement to patch says {right!r} {text.count(right)} times, not once")
    patch(post.queries, "write_batch", aiosql.from_str(text.replace(right, wrong), "asyncpg").write_batch)
