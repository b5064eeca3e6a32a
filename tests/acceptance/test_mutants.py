"""Each check catches its planted bug, in a real bank on real servers."""

from dataclasses import replace
from pathlib import Path

import pytest

from simulation.checks import CHECKS
from simulation.criteria.evaluate import evaluate, load_criteria
from simulation.model.faults import FAULTS, FaultName
from simulation.model.progress import Progress
from simulation.model.result import RunResult, Verdict
from simulation.mutants import NAMES, load
from simulation.plan.draw import draw_plan
from simulation.plan.timetable import needed_s
from simulation.run.play import play
from simulation.run.settings import RunSettings
from simulation.scenarios import SCENARIOS
from simulation.stack.start import Servers

MUTANT_S = 240
"""The time-out of a run. A run takes ten seconds on an idle machine, and many times that on a busy one."""

OF_ATTACKS = {
    "only_own_data",
    "theft_ends_family",
    "attackers_are_throttled",
    "attacks_are_recorded",
    "canaries_stay_private",
    "honest_people_are_served",
}
"""The checks that examine only runs with attackers."""


def short_run(mutant: str | None, servers: Servers, out: Path, *, scenario: str = "first_day") -> RunResult:
    """Run six people for a few seconds: enough for every bug to show, and short enough for all mutants."""
    planted = None if mutant is None else load(mutant)
    if planted is not None and any(FAULTS[FaultName(name)].own_database for name in planted.faults):
        servers = Servers("embedded")
    usual = SCENARIOS[scenario if planted is None else planted.scenario]
    # Rare situations of a day of sixty people also happen to six people in three seconds.
    often = {"transfer": 18.0, "overdraft": 3.0, "retry": 6.0, "conflict": 2.0, "wrong": 3.0, "relogin": 1.5}
    often |= {"spend_held_money": 4.0, "refund": 20.0}
    shape = replace(usual, mix={name: max(weight, often.get(name, 0)) for name, weight in usual.mix.items()})
    faults = [] if planted is None else [FaultName(name) for name in planted.faults]
    plan = draw_plan(
        seed=11,
        scenario=shape,
        customers=6,
        # A criterion needs some hundred reads.
        duration_s=max(6.0 if planted is not None and planted.failed_criteria else 3.0, needed_s(faults)),
        rate=80,
        workers=1 if planted is None else planted.workers,
        faults=faults,
        warm_up=planted is None or planted.warm_up,
    )
    return play(RunSettings(plan, shape, servers, out, mutant, keep=False), Progress())


def _account_of(result: RunResult) -> str:
    """Return the results, the coverage and the faults of a run, to explain a missed mutant."""
    found = [f"{c.name} {c.verdict} of {c.examined} {c.note}" for c in result.checks]
    seen = [f"{c.name} {c.seen}" for c in result.coverage]
    return "\n".join([*found, *map(str, result.faults), *seen])


@pytest.fixture
def shared_servers(database_url: str, redis_url: str) -> Servers:
    return Servers("external", database_url, redis_url)


@pytest.mark.timeout(MUTANT_S)
@pytest.mark.parametrize("mutant", NAMES)
def test_a_mutant_is_caught_by_the_checks_it_names(
    mutant: str, shared_servers: Servers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A planted bug can block a subscriber, so that a long wait has no use.
    monkeypatch.setattr("simulation.run.observations.DRAIN_S", 10.0)
    result = short_run(mutant, shared_servers, tmp_path)
    verdicts = {check.name: check.verdict for check in result.checks}
    missed = [name for name in load(mutant).caught_by if verdicts[name] is not Verdict.FAIL]
    assert not missed, f"{mutant} got past {', '.join(missed)}: {_account_of(result)}"
    seen = {coverage_item.name: coverage_item.seen for coverage_item in result.coverage}
    assert seen["mutant_reached"], f"{mutant} never ran: what failed has another reason"
    if not load(mutant).failed_criteria:
        assert seen["mutant_caught"]
    if load(mutant).caught_by:
        assert result.verdict is Verdict.FAIL
        assert result.exit_code == 1
    # The criteria are judged without the measured load of the machine.
    criteria = evaluate(load_criteria(), result.samples, result.totals, seed=11)
    failed = {criterion.id for criterion in criteria if criterion.verdict is Verdict.FAIL}
    assert set(load(mutant).failed_criteria) <= failed


def test_every_mutant_names_a_check_that_catches_it() -> None:
    assert all(load(name).caught_by or load(name).failed_criteria for name in NAMES)


@pytest.mark.timeout(MUTANT_S)
def test_a_mutant_that_never_runs_is_not_credited_with_a_failed_check(shared_servers: Servers, tmp_path: Path) -> None:
    # The mutant affects holds, which do not occur in this scenario.
    shape = SCENARIOS["first_day"]
    plan = draw_plan(seed=11, scenario=shape, customers=6, duration_s=1, rate=20, workers=1, warm_up=False)
    result = play(RunSettings(plan, shape, shared_servers, tmp_path, "hold_expiry_time_ignored"), Progress())
    seen = {s.name: s.seen for s in result.coverage}
    assert not seen["mutant_reached"]
    assert not seen["mutant_caught"]
    assert result.verdict is Verdict.UNKNOWN


def test_every_check_has_a_mutant_that_it_catches() -> None:
    caught = {name for mutant in NAMES for name in load(mutant).caught_by}
    assert caught == set(CHECKS)


@pytest.mark.timeout(MUTANT_S)
@pytest.mark.parametrize("scenario", ["first_day", "payday", "attack_day"])
def test_the_bank_without_a_mutant_passes_every_check_that_the_mutants_fail(
    scenario: str, shared_servers: Servers, tmp_path: Path
) -> None:
    result = short_run(None, shared_servers, tmp_path, scenario=scenario)
    usual = CHECKS.keys() - {"service_recovers"}  # without faults, this check has nothing to examine
    usual -= set() if scenario == "attack_day" else OF_ATTACKS
    assert {check.name: check.verdict for check in result.checks} == dict.fromkeys(usual, Verdict.PASS)
