"""Opening an account does not check whether its idempotency key has moved money before."""

from typing import Any

from bank.accounts import open as opening
from bank.idempotency.keys import IdempotencyRecord, find_record
from simulation.mutants.mutant import Mutant, patch


async def _find_record(connection: Any, **asked: Any) -> IdempotencyRecord | None:
    known = await find_record(connection, **asked)
    return known if known is not None and known.operation == opening.OPERATION else None


def plant() -> None:
    """Let the opening of an account find only the keys of openings."""
    patch(opening, "find_record", _find_record)


MUTANT = Mutant(
    name="mutations_share_no_keys",
    explanation=__doc__ or "",
    caught_by=("exactly_once",),
    plant=plant,
    drop_guards=("alter table idempotency_keys drop constraint if exists idempotency_keys_pkey",),
    scenario="retries",
)
