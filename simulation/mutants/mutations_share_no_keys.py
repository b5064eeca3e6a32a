"""Opening an account does not look whether its idempotency key has moved money before."""

from typing import Any

from bank.accounts import open as opening
from bank.ledger.keys import KnownKey, find_key
from simulation.mutants.mutant import Mutant, patch


async def _find_key(connection: Any, **asked: Any) -> KnownKey | None:
    known = await find_key(connection, **asked)
    return known if known is not None and known.operation == opening.OPERATION else None


def plant() -> None:
    """Let openings find the keys of openings only."""
    patch(opening, "find_key", _find_key)


MUTANT = Mutant(
    name="mutations_share_no_keys",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    unguard=("alter table idempotency_keys drop constraint if exists idempotency_keys_pkey",),
    scenario="retries",
)
