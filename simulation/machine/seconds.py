"""The seconds of a run in which other work disturbed the machine. Pure functions."""

from collections.abc import Sequence

from simulation.model.machine import Second

STEAL_MAX = 0.01
"""Share of the processors that the hypervisor may keep. One per cent of a second on each core is one wait of ten
milliseconds, which is the size of the judged p99."""

OTHERS_MAX = 0.10
"""Share of the processors that other processes may use. An idle desktop or CI runner uses two or three per cent."""

IDLE_CORES = 2.0
IDLE_SHARE = 0.5
"""The idle cores and the idle share above which other processes took nothing from the run, whatever they used."""

LATE_MAX_MS = 5.0
"""The permitted delay of 99 of 100 wake-ups: half of the tightest bound of the success criteria."""

OWN_MAX = 0.5
"""The share of the processors by the run itself below which a late wake-up counts as a disturbance. A bank that keeps
every processor busy delays all processes itself, and this must not excuse its own times."""

AFTER = 1
"""Number of seconds after a disturbed one that also count as disturbed, because queued requests are executed then."""


def disturbance(second: Second) -> str:
    """Return a text about the disturbance of the machine in this second; an empty text if there was none.

    The processor time of the run itself is never a disturbance.
    """
    if second.steal >= STEAL_MAX:
        return f"the hypervisor kept {second.steal:.0%} of the processors"
    spare = second.idle * second.cores >= IDLE_CORES and second.idle >= IDLE_SHARE
    if second.others >= OTHERS_MAX and not spare:
        return f"other processes used {second.others:.0%} of the processors"
    if second.late_ms is not None and second.late_ms > LATE_MAX_MS and second.own < OWN_MAX:
        return f"a process that only slept was woken {second.late_ms:.0f} ms late"
    return ""


def disturbances(seconds: Sequence[Second]) -> list[str]:
    """Return for each second the disturbance in it, or in the second just before it."""
    own = [disturbance(second) for second in seconds]
    return [next((why for why in own[max(0, i - AFTER) : i + 1][::-1] if why), "") for i in range(len(seconds))]


def is_never_quiet(seconds: Sequence[Second], for_s: float) -> bool:
    """Return whether the machine was disturbed in every one of the last `for_s` seconds."""
    end_s = seconds[-1].to_s if seconds else 0.0
    return all(why for second, why in zip(seconds, disturbances(seconds), strict=True) if second.to_s > end_s - for_s)
