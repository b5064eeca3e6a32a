"""A person who knows the id of somebody else's session can end it."""

from simulation.mutants.mutant import Mutant
from simulation.mutants.patched_sql import patch_lock_session_of


def plant() -> None:
    """Look sessions up by their id alone."""
    patch_lock_session_of(
        (
            "from sessions where id = :id and user_id = :user_id",
            "from sessions where id = :id and :user_id::uuid is not null",
        )
    )


MUTANT = Mutant(
    name="sessions_of_others_revocable",
    explanation=__doc__ or "",
    caught_by=("only_own_data",),
    plant=plant,
    scenario="attack_day",
    workers=2,
)
