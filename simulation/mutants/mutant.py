"""What a mutant is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """A planted bug. `plant` patches the bank in this process; `unguard` are SQL statements that drop guards first.

    `caught_by` names the check that must find it, in the scenario `scenario`.
    """

    name: str
    explanation: str
    caught_by: str
    plant: Callable[[], None]
    unguard: Sequence[str] = ()
    scenario: str = "first_day"
    workers: int = 1
