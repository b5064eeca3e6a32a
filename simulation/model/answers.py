"""The bank's answers as values. Ids are texts, and amounts are in minor units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class OpenedAccount:
    """An account that is open."""

    account_id: str
    number: str
    balance_minor: int


@dataclass(frozen=True, slots=True)
class TransactionReceipt:
    """Money that moved.

    `balance_after_minor` is the balance of the caller's account: the debited account, or the credited one of a deposit.
    The answer to a reversal contains no balance. `fee_minor` was charged in addition, and the balance no longer
    contains it. `related_id` is the original of a reversal, or the hold of a capture.
    """

    transaction_id: str
    transaction_kind: str
    amount_minor: int
    from_number: str | None
    to_number: str | None
    created_at: str
    balance_after_minor: int | None
    fee_minor: int = 0
    related_id: str | None = None


@dataclass(frozen=True, slots=True)
class BatchReceipt:
    """The results of a batch of transfers, in the order of the batch. Each is money that moved, or a refusal code."""

    items: tuple[TransactionReceipt | str, ...]


@dataclass(frozen=True, slots=True)
class Hold:
    """Money set aside."""

    hold_id: str
    status: str
    amount_minor: int
    captured_minor: int
    from_number: str
    to_number: str
    expires_at: str


@dataclass(frozen=True, slots=True)
class HoldReceipt:
    """A hold that was made or ended; `moved` is the capture's transaction."""

    hold: Hold
    available_after_minor: int
    moved: TransactionReceipt | None


@dataclass(frozen=True, slots=True)
class Balances:
    """The balance of every account of a person, from one answer."""

    user_id: str
    balances: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Balance:
    """The balance of one account. Both values are None if the answer contains no account."""

    account_id: str | None
    balance_minor: int | None


@dataclass(frozen=True, slots=True)
class AccountHolds:
    """The balances and the holds of one account, from one answer."""

    account_id: str
    balance_minor: int
    available_minor: int
    held_minor: int
    holds: tuple[Hold, ...]


@dataclass(frozen=True, slots=True)
class AccountStatus:
    """The status of an account after staff or its owner changed it."""

    account_id: str
    status: str


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """The limits of an account."""

    account_id: str
    per_transfer_minor: int
    per_day_minor: int


@dataclass(frozen=True, slots=True)
class Edge:
    """One line of an account's history."""

    transaction_id: str
    change_minor: int
    balance_after_minor: int


@dataclass(frozen=True, slots=True)
class Page:
    """A page of history, newest first, with the balance of the same moment."""

    account_id: str | None
    balance_minor: int | None
    edges: tuple[Edge, ...]
    end_cursor: str | None


@dataclass(frozen=True, slots=True)
class Statement:
    """The balance of an account at an instant, and its entries between two instants, newest first."""

    account_id: str
    balance_at_minor: int
    opening_minor: int
    closing_minor: int
    edges: tuple[Edge, ...]
    is_whole: bool
    end_cursor: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """The tokens of a session, and after a login that of the device. The history and every repr leave them out."""

    access: str
    refresh: str
    device: str | None = None


@dataclass(frozen=True, slots=True)
class OtherPage:
    """An answer that only the check of all fields examines. `end_cursor` is the place of the next page, if any."""

    end_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """A success without further content."""


Answer: TypeAlias = (
    OpenedAccount
    | TransactionReceipt
    | BatchReceipt
    | HoldReceipt
    | AccountStatus
    | AccountLimits
    | Balances
    | Balance
    | Page
    | Statement
    | AccountHolds
    | Tokens
    | OtherPage
    | Acknowledgement
)


def receipts_in(answer: Answer | None) -> tuple[TransactionReceipt, ...]:
    """Return every movement of money that an answer reports."""
    match answer:
        case TransactionReceipt():
            return (answer,)
        case BatchReceipt(items=items):
            return tuple(item for item in items if isinstance(item, TransactionReceipt))
        case HoldReceipt(moved=TransactionReceipt() as moved):
            return (moved,)
        case _:
            return ()
