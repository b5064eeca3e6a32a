"""Faults: their schedule is part of the plan, and the answers to people show whether the service came back."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest

from simulation.checks import CHECKS, run_checks
from simulation.checks.rows_match_requests import least_closed_sessions
from simulation.faults.choose import FaultsError, choose_faults, describe_faults
from simulation.faults.recovery import fault_coverage, fault_results, recovered_at_ns, recovery_from
from simulation.judge.evidence import Evidence
from simulation.model.attempts import Attempt, Outcome, Sent
from simulation.model.faults import FAULTS, RECOVERY_MAX_S, TAKEOVER_MAX_S, FaultName, FaultRun, PlannedFault
from simulation.model.operations import Arm, Intent, Kind, Operation
from simulation.model.people import Role
from simulation.model.plan import Plan, PlanError
from simulation.model.result import Verdict
from simulation.plan.draw import draw_plan
from simulation.plan.timetable import FIRST_FAULT_S, RECOVERY_PLANNED_S, needed_s
from simulation.scenarios import SCENARIOS

ALL = list(FAULTS)
TIMED = [name for name in ALL if not FAULTS[name].when_idle]
S = 1_000_000_000


def plan(faults: Sequence[FaultName] = (), *, seed: int = 7, duration_s: float = 120, workers: int = 2) -> Plan:
    return draw_plan(
        seed=seed, scenario=SCENARIOS["first_day"], customers=12, duration_s=duration_s, rate=20, workers=workers,
        faults=faults,
    )  # fmt: skip


def test_the_same_seed_gives_the_same_faults_at_the_same_times() -> None:
    assert plan(ALL).faults == plan(ALL).faults
    assert plan(ALL).faults == plan(ALL[::-1]).faults, "however they are listed"
    assert plan(ALL, seed=7).faults != plan(ALL, seed=8).faults


def test_the_hash_includes_the_schedule_only_if_there_is_one() -> None:
    assert plan().hash == draw_plan(
        seed=7, scenario=SCENARIOS["first_day"], customers=12, duration_s=120, rate=20, workers=2
    ).hash  # fmt: skip
    with_faults = plan(ALL)
    assert with_faults.hash != plan().hash
    first, *rest = with_faults.faults
    moved = replace(with_faults, faults=(replace(first, at_ms=first.at_ms + 1), *rest))
    assert moved.hash != with_faults.hash


def test_the_operations_are_the_same_with_and_without_faults() -> None:
    def what(operation: Operation) -> tuple[object, ...]:
        return operation.phase, operation.at_ns, operation.kind, operation.person, operation.key, operation.amount

    usual = {what(operation) for operation in plan().operations}
    assert usual <= {what(operation) for operation in plan(ALL).operations}


def test_each_fault_is_planned_before_any_is_planned_twice() -> None:
    names = [fault.name for fault in plan(TIMED, duration_s=240).faults]
    assert set(names[: len(TIMED)]) == set(TIMED)
    assert len(names) > len(TIMED)
    assert {fault.worker for fault in plan([FaultName.WORKER_KILL], duration_s=200).faults} == {None, 0, 1}


def test_faults_do_not_overlap_and_each_has_time_for_the_recovery() -> None:
    for seed in range(20):
        faults = plan(TIMED, seed=seed, duration_s=needed_s(ALL)).faults
        assert faults[0].at_ms == FIRST_FAULT_S * 1000
        ends_ms = [fault.at_ms + fault.lasts_ms for fault in faults]
        starts_ms = [*(fault.at_ms for fault in faults[1:]), needed_s(ALL) * 1000]
        for end_ms, start_ms in zip(ends_ms, starts_ms, strict=True):
            assert start_ms - end_ms >= RECOVERY_PLANNED_S * 1000
        for fault in faults:
            shortest, longest = FAULTS[fault.name].lasts_s
            assert shortest * 1000 <= fault.lasts_ms <= longest * 1000


def test_a_run_too_short_for_its_faults_is_refused_with_the_necessary_duration() -> None:
    with pytest.raises(PlanError, match=rf"{len(ALL)} faults .* at least {needed_s(ALL):g} seconds, not 20"):
        plan(ALL, duration_s=20)


def test_every_worker_is_probed_during_and_after_the_drive() -> None:
    before, after = plan(), plan(ALL, workers=2)
    usual = {operation.key for operation in before.operations}
    probes = [
        o for o in after.operations if o.phase not in {"setup", "idle"} and o.amount == "0.01" and o.key not in usual
    ]
    for phase, duration_s in (("drive", 120), ("recovery", RECOVERY_MAX_S)):
        for worker in range(2):
            moments = [o.at_ns for o in probes if o.phase == phase and o.slot % 2 == worker]
            gaps = [later - earlier for earlier, later in pairwise(moments)]
            assert max(gaps) <= 0.25 * S
            assert moments[-1] > (duration_s - 0.5) * S
    households = {person.index for person in after.people_with(Role.HOUSEHOLD)}
    assert {o.person for o in probes} <= households
    assert all(after.accounts[o.target or 0].person == o.person for o in probes), "a household's sum stays the same"
    reads = [o for o in after.recovery if o.kind is Kind.BALANCE]
    assert len(reads) == len(probes) - sum(o.phase == "drive" for o in probes)
    assert {o.arm for o in reads} == {"uncached"}


def test_closed_sessions_are_probed_on_every_worker_during_an_outage_of_redis() -> None:
    operations = plan([FaultName.REDIS_UNREACHABLE], duration_s=20, workers=3).operations
    usual = {o.at_ns for o in plan(duration_s=20, workers=3).operations if o.kind is Kind.LOGOUT}
    left = [o for o in operations if o.kind is Kind.LOGOUT and o.phase == "drive" and o.at_ns not in usual]
    assert {o.slot % 3 for o in left} == {0, 1, 2}
    assert max(later.at_ns - earlier.at_ns for earlier, later in pairwise(left)) <= 0.5 * S
    for logout in left:
        tried = [o for o in operations if o.after is logout and o.intent is Intent.CLOSED_TOKEN]
        assert {(o.kind, o.slot % 3) for o in tried} == {(k, w) for k in (Kind.ME, Kind.TRANSFER) for w in range(3)}
        assert {o.person for o in tried} == {logout.person}
        before, known = logout.after, set()
        whose = (Kind.ME, logout.at_ns, logout.person)
        while before is not None and (before.kind, before.at_ns, before.person) == whose:
            known.add(before.slot % 3)
            before = before.after
        assert known == {0, 1, 2}


def test_faults_of_an_idle_bank_follow_the_drive_after_a_few_payments() -> None:
    assert needed_s([FaultName.DATABASE_KILL_WHEN_IDLE]) == 0
    with_it = plan(ALL)
    assert with_it.faults[-1].name is FaultName.DATABASE_KILL_WHEN_IDLE
    assert [fault.name for fault in with_it.faults].count(FaultName.DATABASE_KILL_WHEN_IDLE) == 1
    assert list(with_it.bursts) == [0, 1, 2, 3, 4]
    households = {person.index for person in with_it.people_with(Role.HOUSEHOLD)}
    for burst in with_it.bursts.values():
        assert {o.slot % 2 for o in burst} == {0, 1}
        assert {o.kind for o in burst} == {Kind.DEPOSIT}
        assert not {with_it.accounts[o.account or 0].person for o in burst} & households
    assert not plan(TIMED).bursts


def test_events_after_a_fault_of_an_idle_bank_have_the_same_bound() -> None:
    def when_idle(drained_s: float | None) -> tuple[Verdict, str]:
        return verdict_of([run(FaultName.DATABASE_KILL_WHEN_IDLE, drained_s=drained_s)], [])

    assert when_idle(14.0) == (Verdict.PASS, "")
    assert when_idle(15.5)[0] is Verdict.FAIL
    verdict, text = when_idle(None)
    assert verdict is Verdict.FAIL
    assert "not every subscriber had handled every event" in text


def test_two_concurrent_logouts_may_have_closed_one_session() -> None:
    def logout(at_s: float, took_s: float) -> Attempt:
        return attempt(at_s, Kind.LOGOUT, took_s=took_s)

    assert least_closed_sessions([logout(0, 1), logout(0.5, 1), logout(1.2, 1)]) == 1
    assert least_closed_sessions([logout(2, 1), logout(0, 1)]) == 2
    other = logout(0.5, 1)
    other.operation = replace(other.operation, person=2)
    assert least_closed_sessions([logout(0, 1), other]) == 2


@pytest.mark.parametrize("workers", [1, 16])
def test_probes_are_not_counted_as_load(workers: int) -> None:
    assert len(plan(ALL, workers=workers).recovery) <= RECOVERY_MAX_S * 32 + 2 * workers


def test_the_choice_all_names_the_faults_that_the_servers_do_not_permit() -> None:
    assert choose_faults("all", "embedded") == (ALL, [])
    for backend in ("containers", "external"):
        names, left_out = choose_faults("all", backend)
        is_external = backend == "external"
        not_ours = {name for name in ALL if FAULTS[name].own_database or (is_external and FAULTS[name].own_redis)}
        assert names == [name for name in ALL if name not in not_ours]
        sentence, *others = left_out
        named = [FaultName.REDIS_ROLLED_BACK] * is_external + [FaultName.DATABASE_KILL_WHEN_IDLE]
        assert [other.split(" is not possible")[0] for other in others] == named
        assert sentence.startswith(f"database_kill is not possible with --backend {backend}: ")
    assert choose_faults("none", "embedded") == ([], [])
    assert choose_faults("database_slow, worker_kill,worker_kill", "external") == (
        [FaultName.WORKER_KILL, FaultName.DATABASE_SLOW],
        [],
    )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("gremlins", "there is no fault gremlins; there are all, none, worker_kill, "),
        ("worker_kill,all", "there is no fault all; "),
        ("worker_kill,database_kill", "database_kill is not possible with --backend external: "),
        (
            "redis_rolled_back",
            "redis_rolled_back is not possible with --backend external: that Redis is not ours to empty",
        ),
    ],
)
def test_an_impossible_fault_is_refused_with_one_sentence(words: str, sentence: str) -> None:
    with pytest.raises(FaultsError) as refused:
        choose_faults(words, "external")
    assert str(refused.value).startswith(sentence)


def test_the_description_of_the_schedule_has_a_line_for_each_fault() -> None:
    lines = describe_faults(plan(ALL).faults)
    assert len(lines) == 1 + len(plan(ALL).faults)
    assert any("worker_kill: the worker that serves the subscribers" in line for line in lines)
    assert describe_faults(()) == []


def attempt(
    at_s: float, kind: Kind = Kind.TRANSFER, outcome: Outcome = "ok", *, worker: int = 0, took_s: float = 0.1,
    replayed: bool = False, arm: Arm | None = None, code: str | None = None,
) -> Attempt:  # fmt: skip
    """Make an attempt that was sent `at_s` seconds after the end of the fault."""
    arm = "uncached" if arm is None and kind is Kind.BALANCE else arm
    operation = Operation("drive", 0, kind, Intent.PLAIN, 1, worker, arm=arm)
    invoked_ns = round((100 + at_s) * S)
    done = Attempt(operation, 1, worker, Sent(), invoked_ns, invoked_ns + round(took_s * S), outcome, code)
    done.replayed = replayed
    return done


def run(name: FaultName = FaultName.DATABASE_SLOW, **more: object) -> FaultRun:
    """Make a fault that lasted from 98 to 100 seconds."""
    given: dict[str, object] = {"began_ns": 98 * S, "ended_ns": 100 * S, "seen": 3, **more}
    return FaultRun(PlannedFault(name, 97_000, 2_000, delay_ms=50), **given)  # type: ignore[arg-type]  # given by name


BACK = [
    attempt(0.3),
    attempt(0.4, Kind.BALANCE),
    attempt(0.6, worker=1),
    attempt(0.5, Kind.ME, worker=1, arm="uncached"),
]


def in_order(attempts: Sequence[Attempt]) -> list[Attempt]:
    return sorted(attempts, key=lambda one: one.invoked_ns)


def test_a_service_is_back_after_a_transfer_and_a_database_read_of_every_worker() -> None:
    assert recovered_at_ns(in_order(BACK), since_ns=100 * S, workers=2) == round(100.7 * S)
    assert recovery_from(run(), in_order(BACK), workers=2).back_s == pytest.approx(0.7)


@pytest.mark.parametrize("missing", range(4))
def test_a_service_is_not_back_without_a_read_and_a_transfer_of_each_worker(missing: int) -> None:
    others = [one for place, one in enumerate(BACK) if place != missing]
    assert recovered_at_ns(in_order(others), since_ns=100 * S, workers=2) is None


@pytest.mark.parametrize(
    "instead",
    [
        attempt(0.3, outcome="unknown"),
        attempt(0.3, outcome="refused", code="OVERLOADED"),
        attempt(0.3, replayed=True),
        attempt(-0.2, took_s=0.9),
        attempt(0.3, Kind.LOGIN),
    ],
    ids=["unknown", "refused", "replayed", "asked for before the end", "no money"],
)
def test_answers_without_the_ledger_do_not_show_a_recovery(instead: Attempt) -> None:
    assert recovered_at_ns(in_order([instead, *BACK[1:]]), since_ns=100 * S, workers=2) is None


def test_cached_answers_do_not_show_a_recovery_of_the_database() -> None:
    cached = attempt(0.4, Kind.BALANCE, arm="cached")
    assert recovered_at_ns(in_order([BACK[0], cached, *BACK[2:]]), since_ns=100 * S, workers=2) is None


def verdict_of(runs: Sequence[FaultRun], attempts: Sequence[Attempt]) -> tuple[Verdict, str]:
    evidence = Evidence(plan(), in_order(attempts), None, faults=runs)
    result = CHECKS["service_recovers"].check(evidence)
    return result.verdict, " ".join((*result.violations, result.note))


def test_a_service_that_is_back_in_time_passes() -> None:
    assert verdict_of([run()], BACK) == (Verdict.PASS, "")


def test_a_service_that_is_back_too_late_fails_with_the_time() -> None:
    late = [replace_time(one, RECOVERY_MAX_S) for one in BACK]
    verdict, text = verdict_of([run()], late)
    assert verdict is Verdict.FAIL
    assert "the service was back after 15.7 s, not 15" in text


def replace_time(one: Attempt, later_s: float) -> Attempt:
    one = replace(one)
    one.invoked_ns += round(later_s * S)
    one.ended_ns += round(later_s * S)
    return one


def test_a_service_without_a_recovery_fails_or_is_unknown_without_enough_time() -> None:
    waiting = [attempt(at_s, outcome="unknown") for at_s in range(20)]
    assert verdict_of([run()], waiting)[0] is Verdict.FAIL
    verdict, text = verdict_of([run()], waiting[:10])
    assert verdict is Verdict.UNKNOWN
    assert "the service was not back on every worker in the last 9.1 s of the run" in text


def test_a_takeover_of_a_dead_worker_later_than_two_seconds_fails() -> None:
    assert verdict_of([run(FaultName.WORKER_KILL, takeover_s=TAKEOVER_MAX_S)], BACK)[0] is Verdict.PASS
    verdict, text = verdict_of([run(FaultName.WORKER_KILL, takeover_s=2.4)], BACK)
    assert verdict is Verdict.FAIL
    assert "no worker served its subscribers for 2.4 s, not 2" in text


def stopped_worker(*others: Attempt) -> tuple[Verdict, str]:
    """Return the verdict of a fault from 98 to 100 seconds in which worker 0 was stopped."""
    return verdict_of([run(FaultName.WORKER_STOPPED, stopped_worker=0)], [*others, *BACK])


def test_transfers_of_the_other_workers_during_a_stopped_worker_pass() -> None:
    waits = [attempt(-1.9, worker=1, took_s=2.0), attempt(-1.0, worker=1, took_s=1.2)]
    assert stopped_worker(*waits, attempt(-1.2, worker=1)) == (Verdict.PASS, "")
    assert stopped_worker(attempt(-1.0, worker=1, took_s=1.2))[0] is Verdict.PASS, "there was no time for it"
    assert stopped_worker(attempt(-1.9, worker=0, took_s=2.0))[0] is Verdict.PASS, "it is the one that stands still"


@pytest.mark.parametrize(
    "instead", [attempt(-1.0, worker=1, replayed=True), attempt(-2.1, worker=1), attempt(-1.0, Kind.ME, worker=1)]
)
def test_missing_transfers_of_the_other_workers_during_a_stopped_worker_fail(instead: Attempt) -> None:
    verdict, text = stopped_worker(attempt(-1.9, worker=1, took_s=2.0), instead)
    assert verdict is Verdict.FAIL
    assert "in 2.0 s no money was moved through worker-1" in text


def test_a_fault_that_did_not_happen_is_unknown_and_missing_in_the_coverage() -> None:
    never = run(began_ns=0, ended_ns=0, seen=0)
    assert verdict_of([never], BACK)[0] is Verdict.UNKNOWN
    [coverage_item] = fault_coverage([never])
    assert (coverage_item.name, coverage_item.seen, coverage_item.required) == ("fault_database_slow", 0, True)
    [result] = fault_results([run(seen=0)], in_order(BACK), workers=2, zero_ns=90 * S)
    assert (result.verdict, result.note) == (Verdict.UNKNOWN, "no messages delayed were seen")


def test_a_run_without_faults_has_no_verdict_about_recovery() -> None:
    evidence = Evidence(plan(), [], None)
    assert "service_recovers" not in {result.name for result in run_checks(evidence)}
    assert "service_recovers" in {result.name for result in run_checks(replace(evidence, faults=[run()]))}


def test_the_report_has_begin_effects_and_recovery_of_each_fault() -> None:
    hurt = [
        attempt(-1.5, outcome="unknown"),
        attempt(-0.5, outcome="refused", code="OVERLOADED"),
        attempt(-3.0, outcome="unknown"),
        attempt(5.0, outcome="unknown"),
        attempt(-1.0, outcome="refused", code="INSUFFICIENT_FUNDS"),
    ]
    [result] = fault_results([run()], in_order([*BACK, *hurt]), workers=2, zero_ns=90 * S)
    assert (result.began_s, result.ended_s, result.planned_s) == (8.0, 10.0, 97.0)
    assert (result.hurt, result.seen, result.verdict) == (2, 3, Verdict.PASS)
    assert result.back_s == pytest.approx(0.7)
