"""The days of an account agree with its entries, for every order and every number of deliveries of their events."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import pytest

from bank.accounts.days import count_days, delete_days
from bank.clock import SystemClock, business_day
from bank.events.event import EventMetadata, RecordedEvent
from bank.identifiers import uuid7
from tests.integration.api import Reply, RunningBank
from tests.integration.events import balance_updated, one_of_each
from tests.integration.log import Log

ALL_DAYS = (
    "select account_id, day, currency, debits, debited_minor, credits, credited_minor, closing_balance_minor,"
    " applied::text as applied from account_days order by account_id, day"
)
SOMEBODY = uuid7()
# Midnight in São Paulo, which is three hours behind UTC.
MIDNIGHT = datetime(2031, 5, 2, 3, 0, tzinfo=UTC)


def recorded(
    position: int, account_id: UUID, version: int, *, change: int, balance: int, at: datetime
) -> RecordedEvent:
    event = balance_updated(
        account_id=account_id, version=version, change_minor=change, balance_minor=balance, initiated_by=SOMEBODY
    )
    return RecordedEvent(position=position, event=event, metadata=EventMetadata(), created_at=at)


def three_days_of_two_accounts(random: Random) -> list[RecordedEvent]:
    events: list[RecordedEvent] = []
    for account_id in (uuid7(), uuid7()):
        balance, at = 0, MIDNIGHT - timedelta(hours=30)
        for version in range(1, 41):
            change = random.randint(1, 500) if balance < 300 else -random.randint(1, 300)
            balance += change
            at += timedelta(minutes=random.randint(1, 180))
            events.append(recorded(len(events) + 1, account_id, version, change=change, balance=balance, at=at))
    return events


def expected(events: Sequence[RecordedEvent]) -> list[dict[str, Any]]:
    """Calculate the days a second time, in the simplest way."""
    days: dict[tuple[UUID, date], list[Any]] = defaultdict(list)
    for one in sorted(events, key=lambda one: one.event.version):  # type: ignore[attr-defined]  # all are balance updates
        days[one.event.aggregate_id, (one.created_at - timedelta(hours=3)).date()].append(one.event)
    rows = []
    for (account_id, day), told in sorted(days.items()):
        changes = [event.change_minor for event in told]
        rows.append({
            "account_id": account_id, "day": day, "currency": "BRL",
            "debits": sum(change < 0 for change in changes), "debited_minor": -sum(c for c in changes if c < 0),
            "credits": sum(change > 0 for change in changes), "credited_minor": sum(c for c in changes if c > 0),
            "closing_balance_minor": told[-1].balance_minor,
            "applied": f"{{[{told[0].version},{told[-1].version + 1})}}",
        })  # fmt: skip
    return rows


async def all_days(log: Log) -> list[dict[str, Any]]:
    async with log.database.connection() as connection:
        return [dict(row) for row in await connection.fetch(ALL_DAYS)]


@pytest.mark.parametrize("seed", range(8))
async def test_days_are_correct_for_any_order_and_number_of_deliveries(log: Log, seed: int) -> None:
    random = Random(seed)
    events = three_days_of_two_accounts(random)
    told = [events[first : first + 7] for first in range(0, len(events), 7)]
    told += [random.sample(events, 9) * 2 for _ in range(6)]
    if seed:
        random.shuffle(told)
        for run in told:
            random.shuffle(run)
    for run in told:
        async with log.database.transaction("begin") as connection:
            await count_days(connection, run)
    assert await all_days(log) == expected(events)


async def test_a_day_ends_at_midnight_in_sao_paulo(log: Log) -> None:
    account_id = uuid7()
    moments = [MIDNIGHT - timedelta(microseconds=1), MIDNIGHT, MIDNIGHT + timedelta(hours=23, minutes=59)]
    events = [recorded(n, account_id, n, change=10, balance=10 * n, at=at) for n, at in enumerate(moments, start=1)]
    async with log.database.connection() as connection:
        await count_days(connection, events)
    days = await all_days(log)
    assert [(row["day"], row["credits"], row["closing_balance_minor"]) for row in days] == [
        (date(2031, 5, 1), 1, 10),
        (date(2031, 5, 2), 2, 30),
    ]


async def test_other_events_are_not_counted_and_all_days_can_be_deleted(log: Log) -> None:
    others = [
        RecordedEvent(position=n, event=event, metadata=EventMetadata(), created_at=MIDNIGHT)
        for n, event in enumerate(one_of_each(), start=1)
    ]
    async with log.database.connection() as connection:
        await count_days(connection, others)
        assert [row["debited_minor"] for row in await all_days(log)] == [700]
        await delete_days(connection)
    assert await all_days(log) == []


async def test_adding_to_days_reads_only_the_days_that_change(log: Log) -> None:
    async with log.database.connection() as connection:
        await connection.execute(
            "insert into account_days select gen_random_uuid(), date '2031-01-01' + n % 300, 'BRL', 1, 1, 1, 1, 1,"
            " '{[1,2)}' from generate_series(1, 20000) n"
        )
        await connection.execute("analyze account_days")
        await connection.execute("select pg_stat_force_next_flush()")
        before = await scans(connection)
        await count_days(connection, three_days_of_two_accounts(Random(1)))
        await connection.execute("select pg_stat_force_next_flush()")
        assert await scans(connection) == before


async def scans(connection: Any) -> int:
    return int(await connection.fetchval("select seq_scan from pg_stat_user_tables where relname = 'account_days'"))


async def test_the_owner_reads_days_and_never_an_older_cached_answer(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    account, other = await person.account("a"), await person.account("b")
    await (await running_bank.staff()).deposit(account["number"], "10.00", "d")
    await person.transfer(account["id"], other["number"], "1.50", "t")
    await running_bank.caught_up()
    today = business_day(SystemClock().now())
    fields = "day debits debited { amount } credits credited { amount currency } closingBalance { amount }"
    days_fields = f"days(from: $from, to: $to) {{ {fields} }}"
    query = f"query ($id: ID!, $from: Date!, $to: Date!) {{ account(id: $id) {{ {days_fields} }} }}"

    async def days(days_before: int, days_after: int) -> Reply:
        places = (today - timedelta(days=days_before)).isoformat(), (today + timedelta(days=days_after)).isoformat()
        return await person.send(query, {"id": account["id"], "from": places[0], "to": places[1]})

    (day,) = (await days(91, 0)).data["account"]["days"]
    assert day == {
        "day": today.isoformat(), "debits": 1, "debited": {"amount": "1.50"}, "credits": 1,
        "credited": {"amount": "10.00", "currency": "BRL"}, "closingBalance": {"amount": "8.50"},
    }  # fmt: skip
    assert (await days(91, -1)).data["account"]["days"] == []
    async with running_bank.bank.database.connection() as connection:
        await connection.execute("update account_days set debits = 2")
    assert (await days(91, 0)).data["account"]["days"][0]["debits"] == 2
    for wrong in ((92, 0), (0, -1)):
        assert (await days(*wrong)).code == "BAD_INPUT"
