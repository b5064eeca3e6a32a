"""For mutants whose bug is in the bank's SQL: its statements with another text in a place or two."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiosql

from bank.audit import record
from bank.idempotency import keys
from bank.ledger import write
from simulation.mutants.mutant import patch


def patch_write_batch(*changes: tuple[str, str]) -> None:
    """Let the ledger write batches with another text, each change being what it says and what it is to say.

    Raises ValueError where the statement does not say it once.
    """
    _patch(write, "write_batch", changes)


def patch_find_keys(*changes: tuple[str, str]) -> None:
    """Let batches find keys with another text, as `patch_write_batch` does."""
    _patch(keys, "find_keys", changes)


def patch_find_originals(*changes: tuple[str, str]) -> None:
    """Let batches find the originals of reversals with another text, as `patch_write_batch` does."""
    _patch(write, "find_originals", changes)


def patch_insert_audit_rows(*changes: tuple[str, str]) -> None:
    """Let the audit write its rows with another text, as `patch_write_batch` does."""
    _patch(record, "insert_audit_rows", changes)


def _patch(module: Any, name: str, changes: Sequence[tuple[str, str]]) -> None:
    text = Path(module.__file__).with_name("queries.sql").read_text("utf-8")
    for right, wrong in changes:
        if text.count(right) != 1:
            raise ValueError(f"the statement to patch says {right!r} {text.count(right)} times, not once")
        text = text.replace(right, wrong)
    patch(module.queries, name, getattr(aiosql.from_str(text, "asyncpg"), name))
