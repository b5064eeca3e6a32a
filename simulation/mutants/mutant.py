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
    """A planted bug. `plant` patches the bank in this process; `unguard` are SQL statements that first drop guards.

    `caught_by` names the checks that must find it, in a run of `scenario` with this number of `workers` and with the
    `faults` without which the bug has no effect. `misses` names the success criteria that a run must miss on a quiet
    machine. With `warm_up`, the warm-up before the drive meets the bug.
    """

    name: str
    explanation: str
    caught_by: Sequence[str]
    plant: Callable[[], None]
    unguard: Sequence[str] = ()
    scenario: str = "first_day"
    workers: int = 1
    faults: Sequence[str] = ()
    misses: Sequence[str] = ()
    warm_up: bool = False


def patch(owner: Any, name: str, replacement: Any, *, noted: bool = True) -> Any:
    """Replace the attribute `name` of a class or module, and return the original.

    A callable or a property notes each time it runs that the bug was reached. A mutant that only replaces a value must
    call `reached` itself. A replacement that mostly behaves like the original is not `noted`, and must call it as well.
    Raises AttributeError if there is no such attribute, because the bank has changed and the mutant has no effect.
    """
    original = getattr(owner, name)
    setattr(owner, name, _noting(replacement) if noted else replacement)
    return original


def reached() -> None:
    """Note that the planted bug ran in this process, by creating the file that `REACHED` names, if it is set."""
    marker = os.environ.get(REACHED)
    if marker and not _has_run.is_set():
        _has_run.set()
        Path(marker).touch()


def _noting(replacement: Any) -> Any:
    if isinstance(replacement, property):
        return property(_noting(replacement.fget))
    if not callable(replacement) or inspect.isclass(replacement):
        return replacement

    @wraps(replacement)
    def run(*arguments: Any, **named: Any) -> Any:
        reached()
        return replacement(*arguments, **named)

    return run
