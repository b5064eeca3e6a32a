"""The log has the registration requests, as if somebody had left a debugging line."""

from typing import Any

import structlog

from bank.api.resolvers import identity
from bank.identity.register import register_user
from simulation.mutants.mutant import Mutant, patch

logger = structlog.get_logger(__name__)


async def _register_user(work: Any, recorder: Any, passwords: Any, command: Any) -> Any:
    logger.info("registering", command=repr(command))
    return await register_user(work, recorder, passwords, command)


def plant() -> None:
    """Let the resolver register people this way."""
    patch(identity, "register_user", _register_user)


MUTANT = Mutant(
    name="request_logged",
    explanation=__doc__ or "",
    caught_by=("no_secrets_in_logs",),
    plant=plant,
)
