"""The bank's clock. All timestamps, and all comparisons with them, come from an injected clock."""

from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    """A source of the current time. Tests use one that they can set."""

    def now(self) -> datetime:
        """Return the current time, as an aware datetime in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the current time, as an aware datetime in UTC."""
        return datetime.now(UTC)


# The bank's days are the days of Brasília: daily limits start again at its midnight.
BANK_ZONE = ZoneInfo("America/Sao_Paulo")


def business_day(moment: datetime) -> date:
    """Return the bank's day of a time."""
    return moment.astimezone(BANK_ZONE).date()
