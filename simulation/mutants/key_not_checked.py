"""A used idempotency key is not found, so a repeated request moves the money a second time."""

from collections.abc import AsyncIterator
from typing import Any

from bank.idempotency import keys
from simulation.mutants.mutant import Mutant, patch


async def _find_none(_connection: Any, **_asked: Any) -> AsyncIterator[Any]:
    nothing: list[Any] = []
    for row in nothing:
        yield row


def plant() -> None:
    """Find no keys."""
    patch(keys.queries, "find_keys", _find_none)


MUTANT = Mutant(
    name="key_not_checked",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    drop_guards=("alter table idempotency_keys drop constraint if exists idempotency_keys_pkey",),
)
