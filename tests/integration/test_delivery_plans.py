"""The plans of the handlers' statements use indexes, even if they were made while the tables were small."""

import re
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from bank.accounts import days
from bank.audit import record
from bank.events.delivery import BEGIN_DELIVERY
from bank.events.dispatch import Subscriber
from bank.events.event import RecordedEvent
from bank.security import evidence
from tests.integration.events import balance_updated
from tests.integration.log import Log

AUDIT, DAYS = record.queries.insert_audit_rows.sql, days._queries.add_to_days.sql
DETECTION = {
    name: getattr(evidence.queries, name).sql
    for name in (
        "observations_of_networks",
        "observations_of_users",
        "payments_with",
        "small_payments",
        "detected_among",
    )
}
TABLES = "event_store|audit_logs|account_days|security_observations|transactions|entries"


async def deliver_both(log: Log, count: int) -> None:
    """Deliver events to the audit and to the days of accounts."""
    account, user = uuid4(), uuid4()
    for version in range(1, count + 1):
        async with log.work.begin() as uow:
            uow.emit(
                balance_updated(
                    account_id=account, version=version, change_minor=1, balance_minor=version, initiated_by=user
                )
            )
    process = log.process(Subscriber("audit", record.record_events), Subscriber("days", days.count_days))
    await process.leases.register()
    await process.leases.run_once()
    for delivery in process.deliveries:
        assert await delivery.run_once()


async def plan_of(connection: Any, statement: str, page_cost: float) -> str:
    count = max(int(number) for number in re.findall(r"[$](\d+)", statement))
    await connection.execute(f"{BEGIN_DELIVERY}; set local random_page_cost = {page_cost}")
    await connection.execute(f"prepare of_handler as {statement}")
    rows = await connection.fetch(f"explain execute of_handler({', '.join(['null'] * count)})")
    await connection.execute("deallocate of_handler; rollback")
    return "\n".join(row[0] for row in rows)


# The page costs of a disk, which is the server's default, and of memory.
@pytest.mark.parametrize("page_cost", [4.0, 1.1])
@pytest.mark.parametrize("statement", [AUDIT, DAYS, *DETECTION.values()], ids=["audit", "days", *DETECTION])
async def test_plans_made_while_tables_are_small_use_indexes(log: Log, statement: str, page_cost: float) -> None:
    await deliver_both(log, 3)
    owner = await asyncpg.connect(log.url)
    await owner.execute("analyze")
    plan = await plan_of(owner, statement, page_cost)
    await owner.close()
    assert re.search(rf"Index (Only )?Scan .*({TABLES})", plan), plan
    assert not re.search("Seq Scan|Hash|Merge|Bitmap", plan), plan


async def test_a_handlers_statement_is_not_planned_for_each_delivery(log: Log) -> None:
    planned: list[tuple[int, int]] = []

    async def record_and_look(connection: Any, events: Sequence[RecordedEvent]) -> None:
        await record.record_events(connection, events)
        row = await connection.fetchrow(
            "select generic_plans, custom_plans from pg_prepared_statements where statement = $1", AUDIT
        )
        planned.append(tuple(row))

    process = log.process(Subscriber("audit", record_and_look))
    await process.leases.register()
    await process.leases.run_once()
    for _ in range(8):
        await log.append(1)
        assert await process.deliveries[0].run_once()
    assert {custom for _, custom in planned} == {0}
    assert max(generic for generic, _ in planned) > 1
