"""The rows of the database as values. Ids are texts; amounts are minor units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""A row with all its columns: times as RFC 3339, ids as texts, amounts as numbers."""


@dataclass(frozen=True, slots=True)
class UserRow:
    """A row of `users`."""

    id: str
    email: str
    role: str


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A row of `accounts`. `kind` is CUSTOMER, CASH for its side of outside money, or FEES for what it earns."""

    id: str
    user_id: str | None
    kind: str
    number: str
    currency: str
    balance_minor: int
    version: int
    status: str = "ACTIVE"
    held_minor: int = 0


@dataclass(frozen=True, slots=True)
class TransactionRow:
    """A row of `transactions`. `related_id` is the original of a reversal, what a fee is for, or a capture's hold."""

    id: str
    kind: str
    amount_minor: int
    currency: str
    debit_account_id: str
    credit_account_id: str
    related_id: str | None = None


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A row of `holds`; times in seconds since the epoch."""

    id: str
    account_id: str
    to_account_id: str
    amount_minor: int
    captured_minor: int
    status: str
    expires_at_s: float
    ended_at_s: float | None


@dataclass(frozen=True, slots=True)
class EntryRow:
    """A row of `entries`: what a transaction did to one account, and how the account stood after it.

    `at_us` is its moment, in microseconds since the epoch, and `day` its date in São Paulo.
    """

    account_id: str
    version: int
    transaction_id: str
    amount_minor: int
    balance_after_minor: int
    day: str
    at_us: int = 0


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A row of `idempotency_keys`: the transaction or the hold that it stands for, for a list one each or None.

    Without any, the key's answer is a refusal, or an account.
    """

    caller_id: str
    key: str
    operation: str
    transaction_id: str | None
    listed: tuple[str | None, ...] = ()
    hold_id: str | None = None

    @property
    def transaction_ids(self) -> tuple[str, ...]:
        """Every transaction that the key stands for."""
        return tuple(id_ for id_ in (self.transaction_id, *self.listed) if id_ is not None)


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of `event_store`; what was written together has the same moment, in microseconds since the epoch."""

    position: int
    event_type: str
    aggregate_id: str
    aggregate_type: str
    data: Mapping[str, Any]
    at_us: int = 0


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row of `audit_logs`. Ids are UUIDv7, so their order is the order of writing.

    `number` is its place in the chain; `hash`, in hex, is made of the hash before it and of `text`.
    """

    id: str
    event_position: int
    entity_type: str
    entity_id: str
    action: str
    number: int
    hash: str
    text: str


@dataclass(frozen=True, slots=True)
class DayRow:
    """A row of `account_days`: what moved on an account on one day, and how it stood at the end of it."""

    account_id: str
    day: str
    debits: int
    debited_minor: int
    credits: int
    credited_minor: int
    closing_balance_minor: int


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """Everything in the database that the judge looks at, all of one moment, after the bank has come to rest.

    Events are in the order of their positions, audit rows in the order of their event's; entries are by account, in the
    order of their versions. `deadlocks` is the server's own count for this database. `rows` are whole rows, as JSON has
    them, by table: every column of what people have asked for.
    """

    users: Sequence[UserRow] = ()
    accounts: Mapping[str, AccountRow] = field(default_factory=dict)
    transactions: Mapping[str, TransactionRow] = field(default_factory=dict)
    entries: Mapping[str, Sequence[EntryRow]] = field(default_factory=dict)
    holds: Mapping[str, HoldRow] = field(default_factory=dict)
    keys: Mapping[tuple[str, str], KeyRow] = field(default_factory=dict)
    events: Sequence[EventRow] = ()
    audits: Sequence[AuditRow] = ()
    days: Sequence[DayRow] = ()
    positions: Mapping[str, int] = field(default_factory=dict)
    dead_letters: Sequence[str] = ()
    head: int = 0
    deadlocks: int = 0
    rows: Mapping[str, Sequence[Row]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """The whole ledger at one moment of the run, `at_s` seconds since driving began.

    `balances_minor` and `entries_minor` hold the sum per currency over all accounts, the bank's own included: both must
    be zero. `strays` are accounts whose balance is not the sum of their entries, `overdrawn` customers' below
    what is held on them.
    """

    at_s: float
    accounts: int
    balances_minor: Mapping[str, int]
    entries_minor: Mapping[str, int]
    strays: Sequence[str]
    overdrawn: Sequence[str]
