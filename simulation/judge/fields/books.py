"""The books, looked up by what an answer names, and everything that can have been true while it was made."""

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
from simulation.judge.possible_states import Window
from simulation.judge.timeline import AccountTimeline
from simulation.model.attempts import Attempt

BANK_ZONE = ZoneInfo("America/Sao_Paulo")
"""The time zone in which the bank's days begin."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in minor units, and its currency."""

    minor: int
    currency: str = "BRL"


@dataclass(frozen=True, slots=True)
class OneOf:
    """Any of these values is right: more than one can have been true."""

    values: frozenset[object]


@dataclass(frozen=True, slots=True)
class Between:
    """Any amount of money from one to another, both included, is right."""

    least_minor: int
    most_minor: int


@dataclass(frozen=True, slots=True)
class Instant:
    """A moment of the bank's clock, however it is spelled."""

    at: datetime


@dataclass(frozen=True)
class Books:
    """The books of a run, ready to be asked about what answers show."""

    evidence: Evidence
    database: DatabaseState
    cursors: dict[tuple[str, str], int] = field(default_factory=dict)

    @cached_property
    def rows(self) -> Mapping[str, Mapping[str, Row]]:
        """Every whole row by table and id."""
        return {table: {str(row["id"]): row for row in rows} for table, rows in self.database.rows.items()}

    def row(self, table: str, id_: object) -> Row | None:
        """Return a row, or None where there is none with this id."""
        return self.rows.get(table, {}).get(str(id_))

    def number(self, account_id: object) -> str | None:
        """Return the number of a customer's account; None for the bank's own, which are shown as nobody's."""
        account = self.row("accounts", account_id)
        return str(account["number"]) if account is not None and account["kind"] == "CUSTOMER" else None

    @cached_property
    def entries(self) -> Mapping[tuple[str, str], EntryRow]:
        """Every entry by account and transaction."""
        return {(row.account_id, row.transaction_id): row for rows in self.database.entries.values() for row in rows}

    def window(self, attempt: Attempt) -> Window:
        """Return the stretch in which a read was made, or a mutation decided."""
        return self.evidence.possible_states.window(attempt)

    def timeline(self, account_id: str) -> AccountTimeline | None:
        """Return the versions of an account."""
        timelines = self.evidence.timelines
        return None if timelines is None else timelines.accounts.get(account_id)

    @cached_property
    def _groups(self) -> Mapping[str, Sequence[tuple[int, int, int]]]:
        """By account, what each batch of events left: (moment in µs, balance, held), also in its middle."""
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

    def standings(self, account_id: str, at_us: int) -> tuple[set[int], set[int]]:
        """Return the balances and the amounts held that an account can have had within the batch of a moment.

        A batch's events are not in the order of its decisions: first those of postings, then those of holds.
        """
        group = self._groups.get(account_id, ())
        begin = bisect_left(group, at_us, key=lambda one: one[0])
        end = bisect_left(group, at_us + 1, key=lambda one: one[0])
        some = group[max(0, begin - 1) : end]
        missing = {0} if begin == 0 else set[int]()
        return {balance for _, balance, _ in some} | missing, {held for _, _, held in some} | missing

    def held_bounds(self, account_id: str, window: Window) -> Between:
        """Return how much can have been held on an account."""
        possible = self.evidence.possible_states
        return Between(possible.held_at_least(account_id, window), possible.held_at_most(account_id, window))

    def moment_us(self, moment_ns: float) -> float:
        """Return a moment of the attempts' clock in microseconds since the epoch."""
        return (moment_ns - self.evidence.epoch_ns) / 1000


def instant(text: object) -> datetime:
    """Read a moment as PostgreSQL or the bank writes it. Raises ValueError or TypeError for anything else."""
    if not isinstance(text, str):
        raise TypeError("a moment is a text")
    return datetime.fromisoformat(text)


def us_of(text: object) -> int:
    """Return a moment in microseconds since the epoch."""
    return round(instant(text).timestamp() * 1e6)


Object = Mapping[str, Any]
