"""The form of a mutant."""

import inspect
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from threading import Event
from typing import Any

from simulation.mutants import REACHED

_has_run = Event()


@dataclass(frozen=True, slots=True)
class Mutant:
    """A planted bug. `plant` patches the bank in this process; `drop_guards` are SQL statements that first drop guards.

    `caught_by` names the checks that must find it, in a run of `scenario` with this number of `workers` and with the
    `faults` without which the bug has no effect. `failed_criteria` names the success criteria that must fail on a quiet
    machine. With `warm_up`, the bug has an effect in the warm-up before the drive.
    """

    name: str
    explanation: str
    caught_by: Sequence[str]
    plant: Callable[[], None]
    drop_guards: Sequence[str] = ()
    scenario: str = "first_day"
    workers: int = 1
    faults: Sequence[str] = ()
    failed_criteria: Sequence[str] = ()
    warm_up: bool = False


def patch(owner: Any, name: str, replacement: Any, *, marks_reached: bool = True) -> Any:
    """Replace the attribute `name` of a class or module, and return the original.

    With `marks_reached`, each call of a replaced function or property marks the bug as reached. A mutant that replaces
    a value, or a function that mostly behaves like the original, must call `mark_reached` itself.
    Raises AttributeError if there is no such attribute, because the bank has changed and the mutant has no effect.
    """
    original = getattr(owner, name)
    setattr(owner, name, _marking(replacement) if marks_reached else replacement)
    return original


def mark_reached() -> None:
    """Record that the planted bug ran in this process: create the file that `REACHED` names, if it is set."""
    marker = os.environ.get(REACHED)
    if marker and not _has_run.is_set():
        _has_run.set()
        Path(marker).touch()


def _marking(replacement: Any) -> Any:
    if isinstance(replacement, property):
        return property(_marking(replacement.fget))
    if not callable(replacement) or inspect.isclass(replacement):
        return replacement

    @wraps(replacement)
    def run(*arguments: Any, **named: Any) -> Any:
        mark_reached()
        return replacement(*arguments, **named)

    return run
