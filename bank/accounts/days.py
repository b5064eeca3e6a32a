"""Daily totals of accounts (a projection): number and sum of debits and credits, and the closing balance of each day.

The totals are made from BalanceUpdatedEvent alone. A row stores the entry versions that it includes, so that an event
counts once, however often and in whatever order it is delivered.
"""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

from bank.clock import BANK_ZONE
from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements
from bank.events.event import RecordedEvent
from bank.events.types.accounts import BalanceUpdatedEvent

_queries = load_statements(__file__)


async def count_days(connection: Any, events: Sequence[RecordedEvent]) -> None:
    """Add balance updates to the days on which they happened; a repeated delivery changes nothing."""
    updates = [
        (event, recorded.created_at) for recorded in events if isinstance(event := recorded.event, BalanceUpdatedEvent)
    ]
    await _queries.add_to_days(
        connection,
        zone=BANK_ZONE.key,
        account_ids=[event.account_id for event, _ in updates],
        versions=[event.version for event, _ in updates],
        changes=[event.change_minor for event, _ in updates],
        balances=[event.balance_minor for event, _ in updates],
        currencies=[event.currency for event, _ in updates],
        moments=[moment for _, moment in updates],
    )


async def delete_days(connection: Any) -> None:
    """Delete every day, so that a replay can count them again from the beginning of the log."""
    await _queries.delete_days(connection)


async def days_of(snapshot: ReadSnapshot, account_id: UUID, *, first: date, last: date) -> list[Any]:
    """Return the rows of an account's days from `first` to `last`, both included, oldest first."""
    return await snapshot.fetch(_queries.days_of_account.sql, account_id, first, last)
