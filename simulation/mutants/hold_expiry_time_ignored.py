"""A hold has the default length, not the requested end."""

from dataclasses import replace
from typing import Any

from bank.api.resolvers import holds
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let the resolver authorize holds without the requested end."""

    async def _authorize_hold(ledger: Any, terms: Any, command: Any) -> Any:
        return await original(ledger, terms, replace(command, expires_at=None))

    original = patch(holds, "authorize_hold", _authorize_hold)


MUTANT = Mutant(
    name="hold_expiry_time_ignored",
    explanation=__doc__ or "",
    caught_by=("rows_match_requests",),
    plant=plant,
    scenario="payday",
)
