"""The choice of faults from the option `--faults`, as far as the servers of the run allow them."""

from collections.abc import Sequence

from simulation.model.faults import FAULTS, FaultName, PlannedFault

NOT_OWNED = {
    "containers": "the container engine owns that server, and would give it another port",
    "external": "that server is not ours to kill",
}


class FaultsError(ValueError):
    """An error: a requested fault is unknown, or is not possible with these servers. The message is one sentence."""


def choose_faults(words: str, backend: str) -> tuple[list[FaultName], list[str]]:
    """Return the faults of `words` (names, `all` or `none`), and a sentence for each fault that `all` leaves out.

    Raises FaultsError for an unknown name, and for a named fault that is not possible with this kind of server.
    """
    asked = [word.strip() for word in words.split(",") if word.strip()]
    if asked == ["none"] or not asked:
        return [], []
    if asked == ["all"]:
        names = [name for name in FAULTS if _obstacle(name, backend) is None]
        return names, [why for name in FAULTS if (why := _obstacle(name, backend)) is not None]
    unknown = [word for word in asked if word not in FAULTS]
    if unknown:
        raise FaultsError(f"there is no fault {unknown[0]}; there are all, none, {', '.join(FAULTS)}")
    names = [name for name in FAULTS if name in asked]
    for name in names:
        if (why := _obstacle(name, backend)) is not None:
            raise FaultsError(why)
    return names, []


def _obstacle(name: FaultName, backend: str) -> str | None:
    if FAULTS[name].own_database and backend in NOT_OWNED:
        return f"{name} is not possible with --backend {backend}: {NOT_OWNED[backend]}"
    if FAULTS[name].own_redis and backend == "external":
        return f"{name} is not possible with --backend external: that Redis is not ours to empty"
    return None


def describe_faults(faults: Sequence[PlannedFault]) -> list[str]:
    """Return the schedule for a person, with one line for each fault."""
    if not faults:
        return []
    lines = [f"  {fault.at_ms / 1000:6.1f} s  {fault.name}: {fault.what}" for fault in faults]
    return ["Faults, each when the service is back after the one before:", *lines]
