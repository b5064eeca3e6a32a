"""Measurement of the time from a commit to the start of a handler, at 200 transfers a second, with all subscribers.

The bank runs like `bank serve`, but without HTTP. Transfers begin at random times, as requests of independent users do,
also while earlier ones are unfinished. Target (spec): p99 below 10 ms; the aim is 2 ms. The output also has the
lateness of the event loop, because no handler can be faster than that.
"""

import asyncio
import random
import sys
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest
from pydantic import SecretStr

from bank.app import Bank, build_bank, running
from bank.cli.serve import tune_garbage_collection
from bank.database.migrate import upgrade
from bank.events.delivery import Delivery
from bank.events.event import RecordedEvent
from bank.idempotency.outcomes import Receipt
from bank.identifiers import uuid7
from bank.settings import Settings
from bank.transfers.transfer import SubmitTransfer, submit_transfer
from benchmarks.test_postings import TERMS, open_accounts
from fixtures.backends import Backend, open_backend
from tests.integration.encryption import MASTER_KEY, TOKEN_SECRET

RATE = 200
WARM_UP_S = 3
SECONDS = 10
ROUNDS = 3
ACCOUNTS = 1_000


@dataclass
class Latencies:
    """Milliseconds from commit to handler by subscriber, and the lateness of the event loop."""

    handlers: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    loop: list[float] = field(default_factory=list)
    committed: dict[int, float] = field(default_factory=dict)

    def forget(self) -> None:
        self.handlers.clear()
        self.loop.clear()


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Servers that wait for the disk, as in production."""
    with open_backend("embedded", folder=tmp_path_factory.mktemp("bench") / "servers") as backend:
        upgrade(backend.database_url)
        yield backend


def watch(bank: Bank, seen: Latencies) -> None:
    """Record the times at which events were committed and at which each handler began with them."""
    publish = bank.bus.publish

    def note_commits(events: Sequence[RecordedEvent], *, committed_at: float | None = None) -> None:
        if committed_at is not None:
            seen.committed.update((event.position, committed_at) for event in events)
        publish(events, committed_at=committed_at)

    bank.bus.publish = note_commits  # type: ignore[method-assign]  # this bank exists only for the measurement
    for delivery in bank.deliveries:
        note_handling(delivery, seen)


def note_handling(delivery: Delivery, seen: Latencies) -> None:
    subscriber = delivery.subscriber

    async def handle(connection: Any, events: Sequence[RecordedEvent]) -> None:
        now = time.perf_counter()
        seen.handlers[subscriber.name] += [
            (now - seen.committed[event.position]) * 1e3 for event in events if event.position in seen.committed
        ]
        await subscriber.handle(connection, events)

    delivery.dispatcher.subscriber = type(subscriber)(
        subscriber.name, handle, subscriber.events, external_effect=subscriber.external_effect, reset=subscriber.reset
    )


async def watch_loop(seen: Latencies) -> None:
    while True:
        due = time.perf_counter() + 0.005
        await asyncio.sleep(0.005)
        seen.loop.append((time.perf_counter() - due) * 1e3)


async def drive(bank: Bank, owner: Any, numbers: dict[Any, str], *, seconds: float) -> None:
    """Submit transfers at random times, 200 a second. Raises if one is refused or still waits at the end."""
    rng, ids = random.Random(7), list(numbers)
    due, end = time.perf_counter(), time.perf_counter() + seconds
    async with asyncio.timeout(seconds + 10), asyncio.TaskGroup() as group:
        while (due := due + rng.expovariate(RATE)) < end:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            debit, credit = rng.sample(ids, 2)
            command = SubmitTransfer(
                caller_id=owner, key=str(uuid7()), from_id=debit, to_id=credit, to_number=numbers[credit],
                amount="0.01", currency="BRL",
            )  # fmt: skip
            group.create_task(submit(bank, command))


async def submit(bank: Bank, command: SubmitTransfer) -> None:
    outcome = await submit_transfer(bank.ledger, TERMS, command)
    assert isinstance(outcome.result, Receipt)


async def measure(servers: Backend) -> Latencies:
    if sys.version_info >= (3, 12):
        asyncio.get_running_loop().set_task_factory(asyncio.eager_task_factory)
    settings = Settings(
        database_url=servers.database_url,
        redis_url=servers.redis_url,
        token_secret=SecretStr(TOKEN_SECRET),
        master_key=SecretStr(MASTER_KEY),
    )
    seen = Latencies()
    bank = build_bank(settings)
    watch(bank, seen)
    async with running(bank):
        tune_garbage_collection()
        owner, numbers = await open_accounts(servers.database_url, ACCOUNTS, bank.ledger)
        await drive(bank, owner, numbers, seconds=WARM_UP_S)
        seen.forget()
        watching = asyncio.create_task(watch_loop(seen))
        await drive(bank, owner, numbers, seconds=SECONDS)
        watching.cancel()
    return seen


def percentiles(values: list[float]) -> dict[str, float]:
    ordered = sorted(values)
    return {
        name: round(ordered[int(len(ordered) * share)], 2)
        for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99))
    }


def test_events_reach_handlers_in_time_at_200_transfers_a_second(benchmark: Any, servers: Backend) -> None:
    rounds: list[Latencies] = []
    benchmark.pedantic(lambda: rounds.append(asyncio.run(measure(servers))), rounds=ROUNDS, iterations=1)
    for number, seen in enumerate(rounds, start=1):
        figures = {name: percentiles(values) for name, values in [*seen.handlers.items(), ("event loop", seen.loop)]}
        benchmark.extra_info[f"round {number}, ms"] = figures
        print(f"\nround {number}: {len(seen.handlers['audit'])} events, ms: {figures}")  # noqa: T201 - the figures are the result
        assert len(seen.handlers["audit"]) > 0.9 * 4 * RATE * SECONDS
