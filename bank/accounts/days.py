"""An account's days: how often and how much was debited and credited, and the balance at the end (a projection).

Made from BalanceUpdatedEvent alone. A row remembers the versions that it is made of, so that an event counts once,
however often it is delivered, and in whatever order.
"""

from collections.abc import Sequence
from typing import Any

from bank.database.statements import load_statements
from bank.events.model import BalanceUpdatedEvent, RecordedEvent

_queries = load_statements(__file__)

# The bank is Brazilian: a customer's day ends at midnight there.
DAY_ZONE = "America/Sao_Paulo"


async def count_days(connection: Any, events: Sequence[RecordedEvent]) -> None:
    """Add balance updates to the days on which they happened; a repeated delivery changes nothing."""
    told = [
        (event, recorded.created_at) for recorded in events if isinstance(event := recorded.event, BalanceUpdatedEvent)
    ]
    await _queries.add_to_days(
        connection,
        zone=DAY_ZONE,
        account_ids=[event.account_id for event, _ in told],
        versions=[event.version for event, _ in told],
        changes=[event.change_minor for event, _ in told],
        balances=[event.balance_minor for event, _ in told],
        currencies=[event.currency for event, _ in told],
        moments=[moment for _, moment in told],
    )


async def forget_days(connection: Any) -> None:
    """Delete every day, to count them again from the beginning of the log."""
    await _queries.delete_days(connection)
