"""The patches for mutants whose bug is in the bank's SQL: statements with another text in one or more places."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiosql

from bank.audit import record
from bank.idempotency import keys
from bank.identity import register
from bank.ledger import write
from simulation.mutants.mutant import patch


def patch_write_batch(*changes: tuple[str, str]) -> None:
    """Change the statement with which the ledger writes batches; each change is a pair of the old and the new text.

    Raises ValueError unless the statement contains each old text once.
    """
    _patch(write, "write_batch", changes)


def patch_find_keys(*changes: tuple[str, str]) -> None:
    """Change the statement with which batches find keys, as `patch_write_batch` does."""
    _patch(keys, "find_keys", changes)


def patch_find_originals(*changes: tuple[str, str]) -> None:
    """Change the statement with which batches find the originals of reversals, as `patch_write_batch` does."""
    _patch(write, "find_originals", changes)


def patch_insert_audit_rows(*changes: tuple[str, str]) -> None:
    """Change the statement with which the audit writes its rows, as `patch_write_batch` does."""
    _patch(record, "insert_audit_rows", changes)


def patch_lock_session_of(*changes: tuple[str, str]) -> None:
    """Change the statement with which a session of the caller is found, as `patch_write_batch` does."""
    _patch(register, "lock_session_of", changes)


def _patch(module: Any, name: str, changes: Sequence[tuple[str, str]]) -> None:
    text = Path(module.__file__).with_name("queries.sql").read_text("utf-8")
    for original, replacement in changes:
        if text.count(original) != 1:
            raise ValueError(f"the statement to patch says {original!r} {text.count(original)} times, not once")
        text = text.replace(original, replacement)
    patch(module.queries, name, getattr(aiosql.from_str(text, "asyncpg"), name))
