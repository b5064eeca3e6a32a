"""An idempotency key is looked up without its caller."""

from simulation.mutants.mutant import Mutant
from simulation.mutants.patched_sql import patch_find_keys


def plant() -> None:
    """Find a key by its text alone."""
    patch_find_keys(("k.caller_id = wanted.caller_id and k.key = wanted.key", "k.key = wanted.key"))


MUTANT = Mutant(
    name="callers_share_keys",
    explanation=__doc__ or "",
    caught_by=("exactly_once", "refusals_are_right"),
    plant=plant,
    scenario="retries",
)
