"""The table of event handlers: the subscribers, and the events that each handles. Each reaction to an event is here."""

from bank.accounts.cached import CHANGES, AccountCache
from bank.accounts.days import count_days, delete_days
from bank.audit.record import record_events
from bank.events.dispatch import Handler, Subscriber
from bank.events.types.accounts import BalanceUpdatedEvent
from bank.security.watch import EVENTS as WATCHED
from bank.security.watch import is_watched

# The subscriber that updates Redis: every change before its position in the log has been written to Redis.
CACHE_SUBSCRIBER = "balance_cache"
# The names of all subscribers, for code that does not need the handlers. A test compares them with the table.
NAMES = ("audit", CACHE_SUBSCRIBER, "account_days", "suspicious_activity")


def subscribers(accounts: AccountCache, watch: Handler) -> tuple[Subscriber, ...]:
    """Return every subscriber. `watch` is that of the `SuspiciousActivityMonitor`.

    Names must not change: the positions in the log are stored under them.
    """
    return (
        Subscriber("audit", record_events),
        Subscriber(CACHE_SUBSCRIBER, accounts.catch_up, events=CHANGES, external_effect=True),
        Subscriber("account_days", count_days, events=(BalanceUpdatedEvent,), reset=delete_days),
        Subscriber("suspicious_activity", watch, events=WATCHED, needs=is_watched),
    )
