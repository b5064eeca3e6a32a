"""Nobody looks at what has been taken back of a transaction already."""

from typing import Any
from uuid import UUID

from msgspec.structs import replace

from bank.ledger import post
from bank.ledger.model import Original
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let each batch find originals of which nothing was taken back."""

    async def untouched(connection: Any, ids: list[UUID]) -> dict[UUID, Original]:
        found: dict[UUID, Original] = await originals(connection, ids)
        return {id_: replace(original, reversed_minor=0) for id_, original in found.items()}

    originals = patch(post, "_originals", untouched)


MUTANT = Mutant(
    name="reversal_twice",
    explanation=__doc__ or "",
    caught_by=("refusals_are_right",),
    plant=plant,
    unguard=("drop trigger if exists reversals_stay_within_the_original on transactions",),
    scenario="payday",
)
