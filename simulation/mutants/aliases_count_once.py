"""A document counts as one operation for the rate limits, with any number of aliases in it."""

from bank.api import request_handler
from simulation.mutants.mutant import Mutant, mark_reached, patch


def plant() -> None:
    """Let each class of operations in a document cost one."""

    def costs_once(kind: str, roots: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
        costs: tuple[tuple[str, int], ...] = operation_costs(kind, roots)
        if any(cost > 1 for _, cost in costs):
            mark_reached()
        return tuple((name, 1) for name, _ in costs)

    operation_costs = patch(request_handler, "operation_costs", costs_once, marks_reached=False)


MUTANT = Mutant(
    name="aliases_count_once",
    explanation=__doc__ or "",
    caught_by=("attackers_are_throttled",),
    plant=plant,
    scenario="attack_day",
    workers=2,
)
