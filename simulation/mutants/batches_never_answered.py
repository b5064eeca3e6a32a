"""Every tenth batch with a transfer is given up unwritten: its callers hear that the outcome is unknown, for ever."""

from collections.abc import Sequence
from itertools import count
from typing import Any

from bank.errors import OutcomeUnknown
from bank.ledger.post import Ledger
from simulation.mutants.mutant import Mutant, patch

_write_rightly = Ledger._write  # noqa: SLF001 - a mutant reaches inside
_lost: set[tuple[Any, Any]] = set()
_batches = count(1)


async def _write(ledger: Ledger, commands: Sequence[Any], waiting: Sequence[Any]) -> None:
    keys = {(command.caller_id, command.key) for command in commands}
    if any(command.operation == "transfer" for command in commands) and next(_batches) % 10 == 0:
        _lost.update(keys)
    if keys & _lost:
        raise OutcomeUnknown("The connection broke while committing; a retry finds out.")
    await _write_rightly(ledger, commands, waiting)


def plant() -> None:
    """Let the ledger write this way."""
    patch(Ledger, "_write", _write)


MUTANT = Mutant(
    name="batches_never_answered",
    explanation=__doc__ or "",
    caught_by=("every_operation_is_answered",),
    plant=plant,
)
