"""The course of a run: plan, stack, setup, drive, drain, observation, checks."""

import asyncio
import contextlib
import gc
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from time import monotonic_ns, time_ns

from fixtures.backends import Backend
from simulation.client.history import History
from simulation.client.send import BankClient
from simulation.faults.inject import Injector
from simulation.faults.network import open_network
from simulation.judge.evidence import Evidence
from simulation.machine.watch import Machine, server_pids, watch_machine
from simulation.metrics.scrape import Scraper
from simulation.model.progress import Progress
from simulation.model.result import RunResult, Verdict
from simulation.run.drive import Driver
from simulation.run.observations import Observations, await_idle, keep_watching_ledger
from simulation.run.result import build_result, is_decided, list_secrets
from simulation.run.settings import RunSettings
from simulation.stack.bank_check import run_bank_check
from simulation.stack.start import Stack, open_servers, open_stack


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
                network.bank_backend,
                redis_urls=network.redis_urls,
                teller=plan.people[0],
                workers=plan.workers,
                logs=logs,
                mutant=run.mutant,
                progress=progress,
                settings=plan.settings,
            ) as stack,
        ):
            machine = Machine(partial(server_pids, backend), seen.clock_s)
            scraper = Scraper(stack.workers.all, progress, machine)
            async with BankClient(stack.urls) as client:
                driver = Driver(
                    plan,
                    client,
                    history,
                    progress=progress,
                    token_secret=stack.token_secret,
                    authenticators={plan.people[0].index: stack.authenticator},
                )
                injector = Injector(
                    plan.faults,
                    seed=plan.seed,
                    backend=backend,
                    network=network,
                    workers=stack.workers,
                    history=history,
                    progress=progress,
                )
                async with watch_machine(machine):
                    await _run_drive(
                        backend,
                        stack,
                        driver,
                        scraper,
                        injector=injector,
                        seen=seen,
                        is_decided=partial(is_decided, run),
                    )
                await await_idle(backend, scraper, injector, seen, progress, stack=stack, plan=plan)
                await driver.send_final_reads()
                progress.step("Running bank check")
                seen.bank_check = await run_bank_check(stack.environment)
    progress.step("Running the checks")
    evidence = Evidence(
        plan=plan,
        attempts=history.attempts,
        database=seen.database,
        snapshots=seen.snapshots,
        logs=stack.logs,
        secrets=list_secrets(plan, driver, stack, history),
        postgres_log=_postgres_log(backend, logs),
        drained=seen.drained,
        bank_check=seen.bank_check,
        opened=driver.executor.requests.accounts,
        faults=injector.runs,
        epoch_ns=monotonic_ns() - time_ns(),
        attack_requests=history.attack_requests,
        published={**scraper.pages, "history.jsonl": (run.out / "history.jsonl").read_text("utf-8")},
    )
    return build_result(
        run,
        evidence,
        driver=driver,
        scraper=scraper,
        workers=stack.workers,
        seen=seen,
        machine=machine,
        backend=backend,
        started_at=started_at,
    )


async def _run_drive(
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

    async def run_steps() -> None:
        async with _in_background(keep_watching_ledger(backend, seen)):
            await driver.set_up()
            await driver.warm_up()
            # The collector skips the millions of objects of the plan, so its pauses do not add to the latency.
            gc.collect()
            gc.freeze()
            seen.drive_began_ns = monotonic_ns()
            await scraper.begin()
            async with _in_background(scraper.run()):
                async with injector.run_faults():
                    await driver.drive()
                seen.overtime_s = await driver.drive_overtime(lambda: is_decided(driver, scraper))
                await driver.probe(lambda: injector.is_recovered)
                await injector.inject_when_idle(len(driver.plan.bursts), driver.send_burst)

    task = asyncio.create_task(run_steps())
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
async def _in_background(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
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
