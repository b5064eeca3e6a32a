"""The result of a run: the verdicts of the checks and criteria, coverage, faults, restarts and notes."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime

from fixtures.backends import Backend
from simulation.attacks.record import tokens_in
from simulation.checks import run_checks
from simulation.client.history import History
from simulation.coverage.attacks import attack_results
from simulation.coverage.count import coverage
from simulation.criteria.evaluate import evaluate, load_criteria
from simulation.faults.recovery import fault_results
from simulation.judge.context import violation_context
from simulation.judge.evidence import Evidence, Secret
from simulation.machine.describe import describe_machine
from simulation.machine.seconds import is_never_quiet
from simulation.machine.watch import Machine
from simulation.metrics.scrape import Scraper
from simulation.model.people import punctuated
from simulation.model.plan import Plan
from simulation.model.result import CheckResult, CoverageItem, CriterionResult, RunResult, Verdict, WorkerRestart
from simulation.mutants import MARKER, load
from simulation.run.drive import Driver
from simulation.run.observations import Observations
from simulation.run.settings import RunSettings
from simulation.stack.start import Stack
from simulation.stack.workers import Workers

NEVER_QUIET_S = 20.0
"""The overtime ends after this time without a quiet second, because the machine then has other work and more time would
not help."""


def build_result(
    run: RunSettings,
    evidence: Evidence,
    *,
    driver: Driver,
    scraper: Scraper,
    workers: Workers,
    seen: Observations,
    machine: Machine,
    backend: Backend,
    started_at: datetime,
) -> RunResult:
    """Run the checks and the criteria, and return the result."""
    plan, drive_began_ns = run.plan, driver.executor.drive_began_ns or 0
    totals = scraper.totals()
    checks, criteria = run_checks(evidence), evaluate_criteria(run, driver, scraper)
    return RunResult(
        scenario=plan.scenario,
        seed=plan.seed,
        plan_hash=plan.hash,
        backend=run.servers.backend,
        workers=plan.workers,
        people=plan.customers,
        duration_s=plan.duration_s,
        rate=plan.rate,
        overtime_s=seen.overtime_s,
        seconds=tuple(second.machine for second in scraper.seconds),
        machine=describe_machine(cores=machine.cores, load=machine.load_before),
        started_at=started_at,
        finished_at=datetime.now(UTC),
        replay_command=run.replay_command(),
        criteria=criteria,
        checks=checks,
        first_violation=violation_context(evidence, checks),
        coverage=(*coverage(run.scenario, evidence, totals), *_mutant_coverage(run, checks, criteria)),
        samples=driver.executor.samples(),
        metrics=tuple(scraper.samples),
        totals=totals,
        worker_restarts=_restarts(workers, drive_began_ns),
        faults=fault_results(evidence.faults, evidence.attempts, workers=plan.workers, zero_ns=drive_began_ns),
        attacks=attack_results(evidence),
        notes=(backend.describe(), *_notes(run, driver, workers, seen)),
    )


def _mutant_coverage(
    run: RunSettings, checks: Sequence[CheckResult], criteria: Sequence[CriterionResult]
) -> tuple[CoverageItem, ...]:
    """Return whether a planted bug ran, and whether all its checks and criteria caught it.

    A failure without an execution of the bug has another cause, so it does not count.
    """
    if run.mutant is None:
        return ()
    was_reached = (run.out / "logs" / MARKER).exists()
    mutant = load(run.mutant)
    verdicts = {check.name: check.verdict for check in checks} | {one.id: one.verdict for one in criteria}
    named = (*mutant.caught_by, *mutant.failed_criteria)
    caught = was_reached and all(verdicts.get(name) is Verdict.FAIL for name in named)
    return (
        CoverageItem(
            "mutant_reached", f"Times that a worker was seen to run the planted {run.mutant}", int(was_reached)
        ),
        CoverageItem("mutant_caught", f"Times that it was caught by {' and '.join(named)}", int(caught)),
    )


def evaluate_criteria(run: RunSettings, driver: Driver, scraper: Scraper) -> tuple[CriterionResult, ...]:
    """Evaluate the success criteria with the samples so far."""
    plan = run.plan
    # With faults, no criterion is required, because the faults themselves slow the bank.
    required = frozenset() if plan.faults else run.scenario.criteria
    return evaluate(
        load_criteria(),
        driver.executor.samples(),
        scraper.totals(),
        seed=plan.seed,
        workers=plan.workers,
        seconds=scraper.seconds,
        required=required,
    )


async def is_decided(run: RunSettings, driver: Driver, scraper: Scraper) -> bool:
    """Return whether more time cannot change the verdict.

    The verdict is final if all required criteria are met, if one is missed, or if the machine has no quiet second.
    """
    await scraper.run_once()
    latest = [second.machine for second in scraper.seconds]
    if latest and latest[-1].to_s > NEVER_QUIET_S and is_never_quiet(latest, NEVER_QUIET_S):
        return True
    # In a thread, because resampling takes some tenths of a second and would delay requests.
    criteria = await asyncio.to_thread(evaluate_criteria, run, driver, scraper)
    verdicts = {criterion.verdict for criterion in criteria if criterion.required}
    return Verdict.FAIL in verdicts or Verdict.UNKNOWN not in verdicts


def list_secrets(plan: Plan, driver: Driver, stack: Stack, history: History) -> list[Secret]:
    """Return the texts that no log line may contain."""
    secrets = [Secret("the secret that signs tokens", stack.token_secret), Secret("the master key", stack.master_key)]
    secrets += [Secret("the second factor of the teller", secret) for secret in stack.authenticator.secrets]
    for person in plan.people:
        secrets.append(Secret(f"the password of person {person.index}", person.password))
        secrets.append(Secret(f"the CPF of person {person.index}", person.cpf))
        secrets.append(Secret(f"the name of person {person.index}", person.full_name))
        secrets.append(Secret(f"the e-mail address of person {person.index}", person.email))
        secrets.append(Secret(f"the CPF of person {person.index}, punctuated", punctuated(person.cpf)))
    secrets += [
        Secret(f"the canary in the {path}", canary) for attack in plan.attacks for path, canary in attack.canaries
    ]
    stolen = [tokens for request in history.attack_requests if (tokens := tokens_in(request)) is not None]
    for tokens in (*driver.executor.tokens.issued, *stolen):
        secrets.append(Secret("an access token", tokens.access))
        secrets.append(Secret("a refresh token", tokens.refresh))
    return secrets


def _restarts(workers: Workers, zero_ns: int) -> tuple[WorkerRestart, ...]:
    return tuple(WorkerRestart((exit_.at_ns - zero_ns) / 1e9, exit_.worker, exit_.reason) for exit_ in workers.exits)


def _notes(run: RunSettings, driver: Driver, workers: Workers, seen: Observations) -> Sequence[str]:
    notes = [*seen.notes, *workers.notes, *run.left_out]
    if run.plan.faults:
        notes.append("the success criteria are shown for information: they are judged in a run without faults")
    if run.mutant:
        notes.append(f"the bank ran with a planted bug: {run.mutant}")
    if driver.executor.unsent:
        operation, reason = driver.executor.unsent[0]
        notes.append(f"{len(driver.executor.unsent)} operations were not sent; the first, a {operation.kind}: {reason}")
    if driver.executor.tokens.renewals:
        notes.append(f"{driver.executor.tokens.renewals} times a person with an invalid token got a new one")
    return notes
