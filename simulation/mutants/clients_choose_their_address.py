"""The address that a client claims to have counts, and not the one that the bank's own proxy has appended."""

from collections.abc import Sequence
from typing import Any

from bank.api.middleware import client_address
from simulation.mutants.mutant import Mutant, mark_reached, patch


def plant() -> None:
    """Take the first address of the header instead of the last one."""

    def claimed(peer: Any, forwarded_for: Sequence[str], trusted: Any) -> str | None:
        hops = [hop.strip() for value in forwarded_for for hop in value.split(",")]
        if len(hops) < 2:
            right: str | None = original(peer, forwarded_for, trusted)
            return right
        mark_reached()
        return hops[0]

    original = patch(client_address, "client_address", claimed, marks_reached=False)


MUTANT = Mutant(
    name="clients_choose_their_address",
    explanation=__doc__ or "",
    caught_by=("attacks_are_recorded",),
    plant=plant,
    scenario="attack_day",
    workers=2,
)
