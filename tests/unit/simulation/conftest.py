"""A plan executed against an in-memory bank, and the evidence of the run."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from time import monotonic_ns, time_ns

import pytest
from aiohttp.test_utils import TestServer

from simulation.client.history import History
from simulation.client.send import BankClient
from simulation.judge.database_state import LedgerSnapshot
from simulation.judge.evidence import Evidence, Secret
from simulation.model.plan import Plan
from simulation.plan.draw import draw_plan
from simulation.run.drive import Driver
from simulation.scenarios import SCENARIOS
from simulation.stack.bank_check import BankCheck
from tests.unit.simulation.in_memory_bank import InMemoryBank

ExecutedPlan = tuple[Driver, Evidence]
Execute = Callable[..., Awaitable[ExecutedPlan]]


def short_plan(scenario: str = "first_day", *, seed: int = 4, overtime_s: float = 0) -> Plan:
    """Draw a plan of one second that also contains the rare situations of a day of sixty people."""
    usual = SCENARIOS[scenario]
    often = {"retry": 8, "conflict": 4, "wrong": 6, "not_mine": 3, "relogin": 2}
    shape = replace(usual, mix={name: often.get(name, weight) for name, weight in usual.mix.items()})
    sizes = {"customers": 6, "duration_s": 1, "rate": 200, "workers": 2}
    return draw_plan(seed=seed, scenario=shape, **sizes, overtime_s=overtime_s, warm_up=False)  # type: ignore[arg-type]


async def execute_plan(
    bank: InMemoryBank, plan: Plan, out: Path, *, timeout_s: float = 60, undecided: int = 0
) -> ExecutedPlan:
    """Execute a plan until it is decided, after `undecided` negative answers. Returns the driver and the evidence.

    The time-out of the client is longer than usual, so that a late answer on a busy machine is not lost.
    """
    answers = iter([*[False] * undecided, True])

    async def is_decided() -> bool:
        return next(answers)

    bank.register_administrator(plan.people[0].email, plan.people[0].password)
    log = out / "worker-0.log"
    log.write_text('{"event": "request"}\n')
    async with TestServer(bank.application()) as server:
        url = str(server.make_url("")).rstrip("/")
        async with BankClient([url] * plan.workers, timeout_s=timeout_s) as client:
            with History(out / "history.jsonl") as history:
                driver = Driver(plan, client, history)
                await driver.set_up()
                await driver.drive()
                await driver.drive_overtime(is_decided)
                await driver.send_final_reads()
    evidence = Evidence(
        plan=plan,
        attempts=history.attempts,
        database=bank.database(),
        snapshots=[LedgerSnapshot(0.5, len(bank.accounts), {"BRL": 0}, {"BRL": 0}, [], [])],
        logs=[log],
        secrets=[Secret("the password of person 1", plan.people[1].password)],
        postgres_log="LOG: ready\n",
        bank_check=BankCheck({"sound": True, "invariants": {"no_overdraft": True}, "findings": []}),
        opened=driver.executor.requests.accounts,
        epoch_ns=monotonic_ns() - time_ns(),
    )
    return driver, evidence


@pytest.fixture
def execute(tmp_path: Path) -> Execute:
    """Execute the short plan against an in-memory bank, with or without trouble."""

    async def execute(
        bank: InMemoryBank | None = None, plan: Plan | None = None, *, timeout_s: float = 60, undecided: int = 0
    ) -> ExecutedPlan:
        return await execute_plan(
            bank or InMemoryBank(), plan or short_plan(), tmp_path, timeout_s=timeout_s, undecided=undecided
        )

    return execute


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The evidence of a correct bank. Tests change copies of it, never the original."""
    _, evidence = asyncio.run(execute_plan(InMemoryBank(), short_plan(), tmp_path_factory.mktemp("evidence")))
    return evidence
