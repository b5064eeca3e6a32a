"""What a mutant is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Mutant:
    """A planted bug. `plant` patches the bank in this process; `unguard` are SQL statements that drop guards first.

    `caught_by` names the checks that must find it, in a run of `scenario` with that many workers, while the `faults`
    happen without which it does no harm.
    """

    name: str
    explanation: str
    caught_by: Sequence[str]
    plant: Callable[[], None]
    unguard: Sequence[str] = ()
    scenario: str = "first_day"
    workers: int = 1
    faults: Sequence[str] = ()


def patch(owner: Any, name: str, replacement: Any) -> Any:
    """Put `replacement` in the place of a class's or module's `name`, and return what was there.

    Raises AttributeError where there was nothing: the bank has changed, and the mutant would change nothing.
    """
    original = getattr(owner, name)
    setattr(owner, name, replacement)
    return original
