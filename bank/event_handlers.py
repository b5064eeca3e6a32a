"""The table of event handlers: which subscriber handles which events. What follows a commit is a row here."""

from bank.accounts.cached import CHANGES, AccountCache
from bank.accounts.days import count_days, delete_days
from bank.audit.record import record_events
from bank.events.dispatch import Subscriber
from bank.events.types.accounts import BalanceUpdatedEvent

# Who has this position in the log has told Redis of everything before it.
CACHE_SUBSCRIBER = "balance_cache"
# Every subscriber by its name, for whoever only asks for one; a test holds it to the table.
NAMES = ("audit", CACHE_SUBSCRIBER, "account_days")


def subscribers(accounts: AccountCache) -> tuple[Subscriber, ...]:
    """Return every subscriber. A name is durable: its position in the log is stored under it."""
    return (
        Subscriber("audit", record_events),
        Subscriber(CACHE_SUBSCRIBER, accounts.catch_up, events=CHANGES, outside=True),
        Subscriber("account_days", count_days, events=(BalanceUpdatedEvent,), forget=delete_days),
    )
