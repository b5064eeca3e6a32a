"""The course of a run: plan, stack, setup, drive, drain, observation, checks."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic_ns, time_ns

from fixtures.backends import Backend
from simulation.checks import run_checks
from simulation.client.history import History
from simulation.client.send import BankClient
from simulation.coverage.count import coverage
from simulation.criteria.evaluate import evaluate, load_criteria
from simulation.faults.inject import Injector
from simulation.faults.network import open_network
from simulation.faults.recovery import fault_results
from simulation.judge.context import violation_context
from simulation.judge.evidence import Evidence, Secret
from simulation.machine.describe import describe_machine
from simulation.machine.seconds import is_never_quiet
from simulation.machine.watch import Machine, probing, server_pids
from simulation.metrics.scrape import Scraper
from simulation.model.people import punctuated
from simulation.model.plan import Plan
from simulation.model.progress import Progress
from simulation.model.result import CheckResult, CoverageItem, CriterionResult, RunResult, Verdict, WorkerRestart
from simulation.mutants import MARKER, load
from simulation.run.drive import Driver
from simulation.run.observations import Observations, await_idle, keep_watching_ledger
from simulation.run.settings import RunSettings
from simulation.stack.bank_check import run_bank_check
from simulation.stack.start import Stack, open_servers, open_stack
from simulation.stack.workers import Workers

HOPELESS_S = 20.0
"""The overtime ends after this time without a quiet second, because the machine then has other work and more time would
not help."""


def play(run: RunSettings, progress: Progress) -> RunResult:
    """Execute a run from the start of the servers to the verdict. Raises CouldNotRunError if it cannot be finished."""
    started_at = datetime.now(UTC)
    progress.step(f"Starting PostgreSQL and Redis ({run.servers.backend})")
    with open_servers(run.servers) as backend:
        progress.detail(backend.describe())
        try:
            result = asyncio.run(_play(run, backend, progress, started_at))
        except BaseException:
            # The log of PostgreSQL is saved for the report of a run that ends early.
            _postgres_log(backend, run.out / "logs")
            raise
        keep = result.verdict is Verdict.FAIL if run.keep is None else run.keep
        return replace(result, kept_database=_keep_database(backend)) if keep else result


def _keep_database(backend: Backend) -> str | None:
    """Keep the database in its folder, and return the folder; None if the run does not own the database."""
    if backend.postgres is None:
        return None
    backend.postgres.keep = True
    return str(backend.postgres.folder)


async def _play(run: RunSettings, backend: Backend, progress: Progress, started_at: datetime) -> RunResult:
    plan, seen = run.plan, Observations()
    logs = run.out / "logs"
    await asyncio.to_thread(logs.mkdir, parents=True, exist_ok=True)
    with History(run.out / "history.jsonl") as history:
        async with (
            open_network(backend, plan.faults, workers=plan.workers) as network,
            open_stack(
                network.bank_sees,
                redis_urls=network.redis_urls,
                teller=plan.people[0],
                workers=plan.workers,
                logs=logs,
                mutant=run.mutant,
                progress=progress,
                terms=plan.terms,
            ) as stack,
        ):
            machine = Machine(partial(server_pids, backend), seen.clock_s)
            scraper = Scraper(stack.workers.all, progress, machine)
            async with BankClient(stack.urls) as client:
                driver = Driver(plan, client, history, progress=progress)
                injector = Injector(
                    plan.faults,
                    seed=plan.seed,
                    backend=backend,
                    network=network,
                    workers=stack.workers,
                    history=history,
                    progress=progress,
                )
                async with probing(machine):
                    await _bank(
                        backend,
                        stack,
                        driver,
                        scraper,
                        injector=injector,
                        seen=seen,
                        is_decided=partial(_is_decided, run),
                    )
                await await_idle(backend, scraper, injector, seen, progress)
                await driver.read_finally()
                progress.step("Asking the bank whether its books are right")
                seen.bank_check = await run_bank_check(stack.environment)
    progress.step("Judging")
    evidence = Evidence(
        plan=plan,
        attempts=history.attempts,
        database=seen.database,
        snapshots=seen.snapshots,
        logs=stack.logs,
        secrets=_secrets(plan, driver, stack.token_secret),
        postgres_log=_postgres_log(backend, logs),
        drained=seen.drained,
        bank_check=seen.bank_check,
        opened=driver.requests.accounts,
        faults=injector.runs,
        epoch_ns=monotonic_ns() - time_ns(),
    )
    totals, samples = scraper.totals(), driver.samples()
    checks, criteria = run_checks(evidence), _hold_against_criteria(run, driver, scraper)
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
        samples=samples,
        metrics=tuple(scraper.samples),
        totals=totals,
        worker_restarts=_restarts(stack.workers, driver),
        faults=fault_results(injector.runs, history.attempts, workers=plan.workers, zero_ns=driver.drive_began_ns or 0),
        notes=(backend.describe(), *_notes(run, driver, stack.workers, seen)),
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


def _hold_against_criteria(run: RunSettings, driver: Driver, scraper: Scraper) -> tuple[CriterionResult, ...]:
    plan = run.plan
    # With faults, no criterion is required, because the faults themselves slow the bank.
    required = frozenset() if plan.faults else run.scenario.criteria
    return evaluate(
        load_criteria(),
        driver.samples(),
        scraper.totals(),
        seed=plan.seed,
        workers=plan.workers,
        seconds=scraper.seconds,
        required=required,
    )


async def _is_decided(run: RunSettings, driver: Driver, scraper: Scraper) -> bool:
    """Return whether more time cannot change the verdict.

    This is so if all required criteria are met, or one is missed, which decides the run, or if the machine has no quiet
    second.
    """
    await scraper.run_once()
    latest = [second.machine for second in scraper.seconds]
    if latest and latest[-1].to_s > HOPELESS_S and is_never_quiet(latest, HOPELESS_S):
        return True
    # In a thread, because resampling takes some tenths of a second and would delay requests.
    criteria = await asyncio.to_thread(_hold_against_criteria, run, driver, scraper)
    verdicts = {criterion.verdict for criterion in criteria if criterion.required}
    return Verdict.FAIL in verdicts or Verdict.UNKNOWN not in verdicts


async def _bank(
    backend: Backend,
    stack: Stack,
    driver: Driver,
    scraper: Scraper,
    *,
    injector: Injector,
    seen: Observations,
    is_decided: Callable[[Driver, Scraper], Awaitable[bool]],
) -> None:
    """Execute setup, warm-up, drive and faults, and observe them. Ends early if a worker cannot be kept alive."""

    async def story() -> None:
        async with _beside(keep_watching_ledger(backend, seen)):
            await driver.set_up()
            await driver.warm_up()
            # The collector skips the millions of objects of the plan, so its pauses do not add to the latency.
            gc.collect()
            gc.freeze()
            seen.drive_began_ns = monotonic_ns()
            await scraper.begin()
            async with _beside(scraper.run()):
                async with injector.beside():
                    await driver.drive()
                seen.overtime_s = await driver.go_on(lambda: is_decided(driver, scraper))
                await driver.heal(lambda: injector.is_recovered)
                await injector.inject_when_idle(len(driver.plan.bursts), driver.burst)

    task = asyncio.create_task(story())
    try:
        await asyncio.wait({task, stack.workers.failed}, return_when=asyncio.FIRST_COMPLETED)
        if stack.workers.failed.done():
            stack.workers.failed.result()
        await task
    finally:
        gc.unfreeze()
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    """Run `work` in a task for the duration of the block."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


def _postgres_log(backend: Backend, logs: Path) -> str | None:
    text = backend.postgres_log()
    if text is not None and logs.exists():
        (logs / "postgresql.log").write_text(text, encoding="utf-8")
    return text


def _secrets(plan: Plan, driver: Driver, token_secret: str) -> list[Secret]:
    secrets = [Secret("the secret that signs tokens", token_secret)]
    for person in plan.people:
        secrets.append(Secret(f"the password of person {person.index}", person.password))
        secrets.append(Secret(f"the CPF of person {person.index}", person.cpf))
        secrets.append(Secret(f"the name of person {person.index}", person.full_name))
        secrets.append(Secret(f"the e-mail address of person {person.index}", person.email))
        secrets.append(Secret(f"the CPF of person {person.index}, punctuated", punctuated(person.cpf)))
    for tokens in driver.access.issued:
        secrets.append(Secret("an access token", tokens.access))
        secrets.append(Secret("a refresh token", tokens.refresh))
    return secrets


def _restarts(workers: Workers, driver: Driver) -> tuple[WorkerRestart, ...]:
    zero_ns = driver.drive_began_ns or 0
    return tuple(WorkerRestart((death.at_ns - zero_ns) / 1e9, death.worker, death.reason) for death in workers.deaths)


def _notes(run: RunSettings, driver: Driver, workers: Workers, seen: Observations) -> Sequence[str]:
    notes = [*seen.notes, *workers.notes, *run.left_out]
    if run.plan.faults:
        notes.append("the success criteria are shown for information: they are judged in a run without faults")
    if run.mutant:
        notes.append(f"the bank ran with a planted bug: {run.mutant}")
    if driver.unsent:
        operation, reason = driver.unsent[0]
        notes.append(f"{len(driver.unsent)} operations were not sent; the first, a {operation.kind}: {reason}")
    if driver.access.renewals:
        notes.append(f"{driver.access.renewals} times a person with an invalid token got a new one")
    return notes
