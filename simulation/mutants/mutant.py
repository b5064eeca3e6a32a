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
    """A planted bug. `plant` patches the bank in this process; `unguard` are SQL statements that drop guards first.

    `caught_by` names the checks that must find it, in a run of `scenario` with that many workers, while the `faults`
    happen without which it does no harm. `misses` names success criteria that it must miss where the machine is quiet.
    `warm_up`: it is met in what is tried before people bank.
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
    """Put `replacement` in the place of a class's or module's `name`, and return what was there.

    A callable or a property notes that it was reached whenever it runs; a mutant that only replaces a value must say
    `reached` itself, and so must one that does as usual most of the time and is therefore not `noted`. Raises
    AttributeError where there was nothing: the bank has changed, and the mutant would change nothing.
    """
    original = getattr(owner, name)
    setattr(owner, name, _noting(replacement) if noted else replacement)
    return original


def reached() -> None:
    """Note that the planted bug ran in this process, in the file that `REACHED` names, if it does."""
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
