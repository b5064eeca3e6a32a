"""The books with an index for the objects in answers, and the values that were possible when an answer was made."""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Any
from zoneinfo import ZoneInfo

from simulation.judge.database_state import DatabaseState, EntryRow, Row
from simulation.judge.evidence import Evidence
from simulation.judge.request_times import Window
from simulation.judge.timeline import AccountTimeline
from simulation.model.attempts import Attempt

BANK_ZONE = ZoneInfo("America/Sao_Paulo")
"""The time zone of the bank's days."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units, and its currency."""

    minor: int
    currency: str = "BRL"


@dataclass(frozen=True, slots=True)
class OneOf:
    """A set of values of which each is right, because each was possible."""

    values: frozenset[object]


@dataclass(frozen=True, slots=True)
class Between:
    """A range of amounts of which each is right, including both ends."""

    least_minor: int
    most_minor: int


@dataclass(frozen=True, slots=True)
class Instant:
    """An instant of the bank's clock, independent of its spelling."""

    at: datetime


@dataclass(frozen=True)
class Books:
    """The books of a run, indexed for comparison with answers."""

    evidence: Evidence
    database: DatabaseState
    cursors: dict[tuple[str, str], int] = field(default_factory=dict)

    @cached_property
    def rows(self) -> Mapping[str, Mapping[str, Row]]:
        """All whole rows, by table and id."""
        return {table: {str(row["id"]): row for row in rows} for table, rows in self.database.rows.items()}

    def row(self, table: str, id_: object) -> Row | None:
        """Return a row, or None if no row has this id."""
        return self.rows.get(table, {}).get(str(id_))

    def number(self, account_id: object) -> str | None:
        """Return the number of a customer's account; None for the bank's own accounts, which answers show as null."""
        account = self.row("accounts", account_id)
        return str(account["number"]) if account is not None and account["kind"] == "CUSTOMER" else None

    @cached_property
    def entries(self) -> Mapping[tuple[str, str], EntryRow]:
        """All entries, by account and transaction."""
        return {(row.account_id, row.transaction_id): row for rows in self.database.entries.values() for row in rows}

    def window(self, attempt: Attempt) -> Window:
        """Return the period in which a read was executed, or a mutation decided."""
        return self.evidence.request_times.window(attempt)

    def timeline(self, account_id: str) -> AccountTimeline | None:
        """Return the versions of an account."""
        timelines = self.evidence.timelines
        return None if timelines is None else timelines.accounts.get(account_id)

    @cached_property
    def _states_after_events(self) -> Mapping[str, Sequence[tuple[int, int, int]]]:
        """The state of each account after each of its events: (time in µs, balance, amount held)."""
        balances: dict[str, int] = defaultdict(int)
        held: dict[str, int] = defaultdict(int)
        on: dict[str, tuple[str, int]] = {}
        found: dict[str, list[tuple[int, int, int]]] = defaultdict(list)
        for event in self.database.events:
            data, hold_id = event.data, str(event.data.get("hold_id"))
            match event.event_type:
                case "BalanceUpdatedEvent":
                    account_id = event.aggregate_id
                    balances[account_id] = int(data["balance_minor"])
                case "HoldAuthorizedEvent":
                    account_id, amount = str(data["account_id"]), int(data["amount_minor"])
                    on[hold_id] = account_id, amount
                    held[account_id] += amount
                case "HoldCapturedEvent" | "HoldReleasedEvent" | "HoldExpiredEvent":
                    account_id, amount = on.get(hold_id, ("", 0))
                    held[account_id] -= amount
                case _:
                    continue
            found[account_id].append((event.at_us, balances[account_id], held[account_id]))
        return found

    def possible_balances_at(self, account_id: str, at_us: int) -> tuple[set[int], set[int]]:
        """Return the possible balances and amounts held of an account within the batch of this time.

        More than one is possible, because the events of a batch are not in the order of its decisions: the events of
        postings come before those of holds.
        """
        group = self._states_after_events.get(account_id, ())
        begin = bisect_left(group, at_us, key=lambda one: one[0])
        end = bisect_left(group, at_us + 1, key=lambda one: one[0])
        some = group[max(0, begin - 1) : end]
        missing = {0} if begin == 0 else set[int]()
        return {balance for _, balance, _ in some} | missing, {held for _, _, held in some} | missing

    def held_bounds(self, account_id: str, window: Window) -> Between:
        """Return the range of the possible amounts held on an account."""
        possible = self.evidence.possible_holds
        return Between(possible.held_at_least(account_id, window), possible.held_at_most(account_id, window))

    def moment_us(self, moment_ns: float) -> float:
        """Convert a time of the attempts' clock to microseconds since the epoch."""
        return (moment_ns - self.evidence.epoch_ns) / 1000


def instant(text: object) -> datetime:
    """Parse a time in the format of PostgreSQL or the bank. Raises ValueError or TypeError for anything else."""
    if not isinstance(text, str):
        raise TypeError("a moment is a text")
    return datetime.fromisoformat(text)


def us_of(text: object) -> int:
    """Parse a time, and return it in microseconds since the epoch."""
    return round(instant(text).timestamp() * 1e6)


Object = Mapping[str, Any]
