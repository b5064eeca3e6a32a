"""The log has the name of every person who registers."""

from typing import Any

import structlog

from bank.api.resolvers import identity
from bank.identity.register import register_user
from simulation.mutants.mutant import Mutant, patch

logger = structlog.get_logger(__name__)


async def _register_user(work: Any, recorder: Any, passwords: Any, command: Any) -> Any:
    logger.info("registered", who=command.full_name)
    return await register_user(work, recorder, passwords, command)


def plant() -> None:
    """Let the resolver register people this way."""
    patch(identity, "register_user", _register_user)


MUTANT = Mutant(
    name="person_named_in_logs",
    explanation=__doc__ or "",
    caught_by=("no_secrets_in_logs",),
    plant=plant,
)
