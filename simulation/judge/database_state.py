"""The rows of the database as values. Ids are texts; amounts are minor units."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]
"""A row with all its columns: times as RFC 3339, ids as texts, amounts as numbers."""


@dataclass(frozen=True, slots=True)
class UserRow:
    """A row of `users`. `email` is decrypted; None if the user is erased."""

    id: str
    email: str | None
    role: str


@dataclass(frozen=True, slots=True)
class StoredTexts:
    """The rows of a table, and those that have a personal text in clear. `label` describes one such text."""

    rows: int
    matches: int
    label: str | None


@dataclass(frozen=True, slots=True)
class AccountRow:
    """A row of `accounts`. `kind` is CUSTOMER, CASH for the bank's side of cash payments, or FEES for its fees."""

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
    """A row of `transactions`.

    `related_id` is the original of a reversal, the transaction of a fee, or the hold of a capture.
    """

    id: str
    kind: str
    amount_minor: int
    currency: str
    debit_account_id: str
    credit_account_id: str
    related_id: str | None = None


@dataclass(frozen=True, slots=True)
class HoldRow:
    """A row of `holds`, with times in seconds since the epoch."""

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
    """A row of `entries`: the change of one account by a transaction, and the balance after it.

    `at_us` is its time in microseconds since the epoch, and `day` its date in São Paulo.
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
    """A row of `idempotency_keys`, with the ids in its stored outcome.

    These are a transaction, a hold, or for a batch the transaction of each item or None. Without any id, the outcome is
    a refusal or an account.
    """

    caller_id: str
    key: str
    operation: str
    transaction_id: str | None
    listed: tuple[str | None, ...] = ()
    hold_id: str | None = None

    @property
    def transaction_ids(self) -> tuple[str, ...]:
        """The ids of all transactions in the stored outcome."""
        return tuple(id_ for id_ in (self.transaction_id, *self.listed) if id_ is not None)


@dataclass(frozen=True, slots=True)
class EventRow:
    """A row of `event_store`.

    Events that were written together have the same `at_us`, in microseconds since the epoch.
    """

    position: int
    event_type: str
    aggregate_id: str
    aggregate_type: str
    data: Mapping[str, Any]
    at_us: int = 0


@dataclass(frozen=True, slots=True)
class AuditRow:
    """A row of `audit_logs`. Ids are UUIDv7, so their order is the order of writing.

    `number` is its place in the chain. `hash`, in hexadecimal, is the hash of the previous row's hash and of `text`.
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
    """A row of `account_days`: the movements on an account on one day, and the balance at its end."""

    account_id: str
    day: str
    debits: int
    debited_minor: int
    credits: int
    credited_minor: int
    closing_balance_minor: int


@dataclass(frozen=True, slots=True)
class DatabaseState:
    """All data of the database that the checks read, in one snapshot, after every event is handled.

    Events are in the order of their positions, and audit rows in the order of the positions of their events. Entries
    are by account, in the order of their versions. `deadlocks` is the server's own count for this database. `rows` are
    whole rows as JSON, by table, with every column. `stored_texts` is the result of a search for personal texts in the
    stored rows, by table.
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
    stored_texts: Mapping[str, StoredTexts] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class LedgerSnapshot:
    """A snapshot of the whole ledger, `at_s` seconds after the start of the drive.

    `balances_minor` and `entries_minor` are the sums per currency over all accounts, including the bank's own; both
    must be zero. `strays` describes the accounts whose balance is not the sum of their entries. `overdrawn` describes
    the customers' accounts whose balance is below the amount held on them.
    """

    at_s: float
    accounts: int
    balances_minor: Mapping[str, int]
    entries_minor: Mapping[str, int]
    strays: Sequence[str]
    overdrawn: Sequence[str]
