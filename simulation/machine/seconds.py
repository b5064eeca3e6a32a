"""The seconds of a run in which something else disturbed the machine. Pure."""

from collections.abc import Sequence

from simulation.model.machine import Second

STEAL_MAX = 0.01
"""Share of the processors that the hypervisor may keep: of ten milliseconds on every core, one per cent is one wait of
the length that a p99 is about."""

OTHERS_MAX = 0.10
"""Share of the processors that other processes may use. A desktop or a CI runner at rest uses two or three per cent."""

IDLE_CORES = 2.0
IDLE_SHARE = 0.5
"""The idle share beyond which others took nothing from the run, however much they used."""

LATE_MAX_MS = 5.0
"""The lateness that 99 of 100 wake-ups stay below: half of the tightest bound that is judged."""

OWN_MAX = 0.5
"""A late wake-up says something about the machine only while the run itself leaves half of it free: a bank that keeps
every processor busy makes everything late, and is no excuse for itself."""

AFTER = 1
"""Seconds after a disturbed one that count as disturbed, too: what queued meanwhile is worked off."""


def disturbance(second: Second) -> str:
    """Return what disturbed the machine in this second, in words; empty where nothing did.

    What the run itself uses is never a disturbance.
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
    """Return for each second what disturbed it, or the one just before it."""
    own = [disturbance(second) for second in seconds]
    return [next((why for why in own[max(0, i - AFTER) : i + 1][::-1] if why), "") for i in range(len(seconds))]


def is_never_quiet(seconds: Sequence[Second], for_s: float) -> bool:
    """Tell whether the machine was disturbed in each of the last seconds, `for_s` in all."""
    end_s = seconds[-1].to_s if seconds else 0.0
    return all(why for second, why in zip(seconds, disturbances(seconds), strict=True) if second.to_s > end_s - for_s)
