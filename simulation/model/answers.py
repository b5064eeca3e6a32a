"""The bank's answers as values: ids are texts, amounts minor units."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Opened:
    """An account that is open."""

    account_id: str
    number: str
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Moved:
    """Money that moved. `balance_after_minor` is the caller's side: the debited account, or the one paid into.

    A reversal's answer says no balance. `fee_minor` was charged on top, and is not in the balance any more.
    `related_id` is the original of a reversal, or the hold of a capture.
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
class Listed:
    """The results of a batch of transfers, in its order: money that moved, or the code of a refusal."""

    items: tuple[Moved | str, ...]


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
class Held:
    """A hold that was made or ended; `moved` is the capture's transaction."""

    hold: Hold
    available_after_minor: int
    moved: Moved | None


@dataclass(frozen=True, slots=True)
class Balances:
    """Every account of a person with its balance, as one answer gave them."""

    user_id: str
    balances: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Balance:
    """One account's balance; both None where the bank showed no account."""

    account_id: str | None
    balance_minor: int | None


@dataclass(frozen=True, slots=True)
class Holdings:
    """One account's money and its holds, as one answer gave them."""

    account_id: str
    balance_minor: int
    available_minor: int
    held_minor: int
    holds: tuple[Hold, ...]


@dataclass(frozen=True, slots=True)
class State:
    """An account after staff or its owner did something to it."""

    account_id: str
    status: str


@dataclass(frozen=True, slots=True)
class Limited:
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
    """The balance of an account at an instant, and what moved between two instants, newest first."""

    account_id: str
    balance_at_minor: int
    opening_minor: int
    closing_minor: int
    edges: tuple[Edge, ...]
    is_whole: bool
    end_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """A person's id."""

    user_id: str


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """A session's tokens. Kept out of the history and of every repr."""

    access: str
    refresh: str


@dataclass(frozen=True, slots=True)
class Seen:
    """Something that is looked at field by field only; `end_cursor` is where the next page begins, if there is one."""

    end_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """It was done, and there is nothing more to say."""


Answer: TypeAlias = (
    Opened
    | Moved
    | Listed
    | Held
    | State
    | Limited
    | Balances
    | Balance
    | Page
    | Statement
    | Holdings
    | Known
    | Tokens
    | Seen
    | Done
)


def moves_in(answer: Answer | None) -> tuple[Moved, ...]:
    """Return all money that an answer says has moved."""
    match answer:
        case Moved():
            return (answer,)
        case Listed(items=items):
            return tuple(item for item in items if isinstance(item, Moved))
        case Held(moved=Moved() as moved):
            return (moved,)
        case _:
            return ()
