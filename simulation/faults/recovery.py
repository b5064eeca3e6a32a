"""The recovery of the service: after a fault, every worker has moved money and answered a read from the database."""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from simulation.model.attempts import Attempt
from simulation.model.faults import FAULTS, RECOVERY_MAX_S, TAKEOVER_MAX_S, FaultName, FaultRun
from simulation.model.operations import MONEY_KINDS, READ_KINDS
from simulation.model.result import CoverageItem, FaultResult, Verdict

POSTING_NS = 1_500_000_000
"""The time for a posting: other workers wait half a second for a stopped worker, and a busy machine needs some
tenths of a second for a batch."""


def recovered_at_ns(attempts: Sequence[Attempt], *, since_ns: int, workers: int) -> int | None:
    """Return the time by which each worker had answered a read and moved money for requests after `since_ns`.

    None if one of them has not. A replay does not count, because it moves no money, and an answer from the cache does
    not count, because it does not prove that the worker reaches the database.
    """
    moved: dict[int, int] = {}
    read: dict[int, int] = {}
    for place in range(bisect_left(attempts, since_ns, key=lambda attempt: attempt.invoked_ns), len(attempts)):
        attempt = attempts[place]
        if attempt.outcome != "ok":
            continue
        kind = attempt.operation.kind
        if kind in MONEY_KINDS and attempt.replayed is not True:
            moved[attempt.worker] = min(moved.get(attempt.worker, attempt.ended_ns), attempt.ended_ns)
        elif kind in READ_KINDS and attempt.operation.arm == "uncached":
            read[attempt.worker] = min(read.get(attempt.worker, attempt.ended_ns), attempt.ended_ns)
    if len(moved) < workers or len(read) < workers:
        return None
    return max(*moved.values(), *read.values())


@dataclass(frozen=True, slots=True)
class Recovery:
    """The recovery from a fault: the seconds from its end until the service was back, and the verdict on them.

    `sentence` describes the violation, or the missing evidence.
    """

    verdict: Verdict
    back_s: float | None = None
    sentence: str = ""


def recovery_from(run: FaultRun, attempts: Sequence[Attempt], *, workers: int) -> Recovery:
    """Return the recovery of the service from a fault, with its verdict."""
    if not run.began_ns:
        return Recovery(Verdict.UNKNOWN, None, f"{run} was planned but did not happen")
    if FAULTS[run.planned.name].when_idle:
        return _when_idle(run)
    blocked = [] if run.stopped_worker is None else _blocked_workers(run, attempts, workers=workers)
    if blocked:
        names = " and ".join(f"worker-{number}" for number in blocked)
        lasted_s = (run.ended_ns - run.began_ns) / 1e9
        return Recovery(Verdict.FAIL, None, f"{run}: in {lasted_s:.1f} s no money was moved through {names}")
    moment_ns = recovered_at_ns(attempts, since_ns=run.ended_ns, workers=workers)
    if moment_ns is None:
        waited_s = (max((attempt.ended_ns for attempt in attempts), default=0) - run.ended_ns) / 1e9
        text = f"{run}: the service was not back on every worker in the last {max(0.0, waited_s):.1f} s of the run"
        return Recovery(Verdict.FAIL if waited_s >= RECOVERY_MAX_S else Verdict.UNKNOWN, None, text)
    back_s = (moment_ns - run.ended_ns) / 1e9
    if back_s > RECOVERY_MAX_S:
        text = f"{run}: the service was back after {back_s:.1f} s, not {RECOVERY_MAX_S:g}"
        return Recovery(Verdict.FAIL, back_s, text)
    if run.takeover_s is not None and run.takeover_s > TAKEOVER_MAX_S:
        text = f"{run}: no worker served its subscribers for {run.takeover_s:.1f} s, not {TAKEOVER_MAX_S:g}"
        return Recovery(Verdict.FAIL, back_s, text)
    return Recovery(Verdict.PASS, back_s)


def _when_idle(run: FaultRun) -> Recovery:
    """Return the recovery of the subscribers from a fault of the idle bank, without new events."""
    if run.drained_s is None:
        return Recovery(Verdict.FAIL, None, f"{run}: long afterwards, not every subscriber had handled every event")
    if run.drained_s > RECOVERY_MAX_S:
        text = f"{run}: every subscriber had handled every event after {run.drained_s:.1f} s, not {RECOVERY_MAX_S:g}"
        return Recovery(Verdict.FAIL, run.drained_s, text)
    return Recovery(Verdict.PASS, run.drained_s)


def _blocked_workers(run: FaultRun, attempts: Sequence[Attempt], *, workers: int) -> list[int]:
    """Return the workers that moved no money while another one was stopped, although requests for it came in time."""
    meanwhile = [
        attempt
        for attempt in attempts
        if run.began_ns <= attempt.invoked_ns <= run.ended_ns and attempt.operation.kind in MONEY_KINDS
    ]
    moved = {a.worker for a in meanwhile if a.outcome == "ok" and a.replayed is not True and a.ended_ns <= run.ended_ns}
    requested = {a.worker for a in meanwhile if a.invoked_ns <= run.ended_ns - POSTING_NS}
    return [number for number in range(workers) if number != run.stopped_worker and number in requested - moved]


def fault_results(
    runs: Sequence[FaultRun], attempts: Sequence[Attempt], *, workers: int, zero_ns: int
) -> tuple[FaultResult, ...]:
    """Return the result of each fault for the report. `zero_ns` is the start of the drive."""

    def at_s(moment_ns: int) -> float | None:
        return (moment_ns - zero_ns) / 1e9 if moment_ns else None

    found = []
    for run in runs:
        recovery = recovery_from(run, attempts, workers=workers)
        over_ns = run.ended_ns + round((RECOVERY_MAX_S if recovery.back_s is None else recovery.back_s) * 1e9)
        verdict = Verdict.UNKNOWN if recovery.verdict is Verdict.PASS and not run.seen else recovery.verdict
        found.append(
            FaultResult(
                name=run.planned.name.value,
                title=FAULTS[run.planned.name].title,
                planned_s=run.planned.at_ms / 1000,
                began_s=at_s(run.began_ns),
                ended_s=at_s(run.ended_ns),
                detail=run.detail or run.planned.what,
                seen=run.seen,
                hurt=_count_failed(attempts, run.began_ns, over_ns) if run.began_ns else 0,
                back_s=recovery.back_s,
                takeover_s=run.takeover_s,
                verdict=verdict,
                note=recovery.sentence or ("" if run.seen else f"no {FAULTS[run.planned.name].seen_as} were seen"),
            )
        )
    return tuple(found)


def _count_failed(attempts: Sequence[Attempt], from_ns: int, to_ns: int) -> int:
    """Return how many requests in a range of time got no answer, or an answer that asks for a retry."""
    return sum(from_ns <= a.ended_ns <= to_ns and (a.outcome == "unknown" or a.code == "OVERLOADED") for a in attempts)


def fault_coverage(runs: Sequence[FaultRun]) -> tuple[CoverageItem, ...]:
    """Return the number of real effects of each planned fault, because a fault without effects tests nothing."""
    seen: dict[FaultName, int] = {}
    for run in runs:
        seen[run.planned.name] = seen.get(run.planned.name, 0) + run.seen
    return tuple(
        CoverageItem(f"fault_{name}", f"{FAULTS[name].title}: {FAULTS[name].seen_as}", count)
        for name, count in seen.items()
    )
