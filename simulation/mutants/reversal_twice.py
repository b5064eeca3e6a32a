"""The bank does not check how much of a transaction was reversed before."""

from simulation.mutants.mutant import Mutant
from simulation.mutants.patched_sql import patch_find_originals

REVERSED = (
    "coalesce(sum(r.amount_minor), 0)::bigint from transactions r where r.related_id = o.id and r.kind = 'REVERSAL'"
)


def plant() -> None:
    """Let each batch find originals without earlier reversals."""
    patch_find_originals((REVERSED, "0::bigint"))


MUTANT = Mutant(
    name="reversal_twice",
    explanation=__doc__ or "",
    caught_by=("refusals_are_right",),
    plant=plant,
    drop_guards=("drop trigger if exists reversals_stay_within_the_original on transactions",),
    scenario="payday",
)
