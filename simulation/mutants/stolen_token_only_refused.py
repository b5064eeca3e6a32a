"""A stolen refresh token is refused, but the session of its owner stays open."""

from typing import Any

from bank.identity import refresh
from bank.identity.refresh import RefreshDecision
from simulation.mutants.mutant import Mutant, mark_reached, patch


def plant() -> None:
    """Replace the decision to close a session by a refusal."""

    def refuse(*arguments: Any) -> RefreshDecision:
        decision: RefreshDecision = decide(*arguments)
        if decision is not RefreshDecision.CLOSE_SESSION:
            return decision
        mark_reached()
        return RefreshDecision.REFUSE

    decide = patch(refresh, "decide_refresh", refuse, marks_reached=False)


MUTANT = Mutant(
    name="stolen_token_only_refused",
    explanation=__doc__ or "",
    caught_by=("theft_ends_family",),
    plant=plant,
    scenario="attack_day",
    workers=2,
)
