"""The bank's time. Everything that stamps a row or compares with one asks the clock it was given."""

from datetime import UTC, date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo


class Clock(Protocol):
    """Tells what time it is; tests hand in one that they can set."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Return the present moment, aware, in UTC."""
        return datetime.now(UTC)


# A day at the bank is a day in Brasília: limits begin anew at its midnight.
BANK_ZONE = ZoneInfo("America/Sao_Paulo")


def business_day(moment: datetime) -> date:
    """Return the day at the bank that a moment falls on."""
    return moment.astimezone(BANK_ZONE).date()
