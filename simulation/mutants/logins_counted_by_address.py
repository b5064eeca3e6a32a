"""The metrics have the e-mail address of each login as a label."""

from typing import Any

from bank.api.resolvers import identity
from bank.identity.log_in import log_in
from bank.telemetry.metrics import FAILED_LOGINS
from simulation.mutants.mutant import Mutant, patch


async def _log_in(sessions: Any, email: str, *more: Any, **named: Any) -> Any:
    FAILED_LOGINS.labels(email).inc()
    return await log_in(sessions, email, *more, **named)


def plant() -> None:
    """Let the resolver count logins this way."""
    patch(identity, "log_in", _log_in)


MUTANT = Mutant(
    name="logins_counted_by_address",
    explanation=__doc__ or "",
    caught_by=("canaries_stay_private",),
    plant=plant,
    scenario="attack_day",
    workers=2,
)
