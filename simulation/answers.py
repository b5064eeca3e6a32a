"""What the bank answered, read strictly: nobody may rely on an answer that is not of the contract's form."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from simulation.plan import CURRENCY, Kind

DECIMAL = re.compile(r"(-?)([0-9]+)\.([0-9]{2})")


class MalformedAnswerError(ValueError):
    """The bank's answer is not of the form that the contract promises."""


@dataclass(frozen=True, slots=True)
class Opened:
    """An account that is open."""

    account_id: str
    number: str
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Moved:
    """Money that moved. `balance_after_minor` is the caller's side: the debited account, or the one paid into."""

    transaction_id: str
    transaction_kind: str
    amount_minor: int
    from_number: str | None
    to_number: str | None
    created_at: str
    balance_after_minor: int


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
class Known:
    """A person's id."""

    user_id: str


@dataclass(frozen=True, slots=True, repr=False)
class Tokens:
    """A session's tokens. Kept out of the history and of every repr."""

    access: str
    refresh: str


@dataclass(frozen=True, slots=True)
class Done:
    """It was done, and there is nothing more to say."""


Answer: TypeAlias = Opened | Moved | Balances | Balance | Page | Known | Tokens | Done

FIELDS: Mapping[Kind, str] = {
    Kind.REGISTER: "register",
    Kind.LOGIN: "login",
    Kind.LOGOUT: "logout",
    Kind.REFRESH: "refreshSession",
    Kind.OPEN_ACCOUNT: "openAccount",
    Kind.DEPOSIT: "deposit",
    Kind.TRANSFER: "transfer",
    Kind.ME: "me",
    Kind.BALANCE: "account",
    Kind.HISTORY: "account",
}
"""The root field of each operation's document."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A mutation's or query's result: an answer, or the codes of its refusal; `replayed` where the payload says it."""

    answer: Answer | None
    refusals: tuple[str, ...]
    replayed: bool | None


def minor(amount: object) -> int:
    """Read a decimal amount such as `10.50` into minor units. Raises MalformedAnswerError for any other form."""
    found = DECIMAL.fullmatch(amount) if isinstance(amount, str) else None
    if found is None:
        raise MalformedAnswerError(f"an amount must be a decimal string with two decimals, not {amount!r}")
    sign, whole, cents = found.groups()
    value = int(whole) * 100 + int(cents)
    return -value if sign else value


def read_payload(kind: Kind, data: Mapping[str, object]) -> Payload:
    """Read the data of a GraphQL answer. Raises MalformedAnswerError where it is not of the contract's form."""
    field = FIELDS[kind]
    if field not in data:
        raise MalformedAnswerError(f"the answer has no field {field}")
    value = data[field]
    if kind in {Kind.BALANCE, Kind.HISTORY} and value is None:
        return Payload(Balance(None, None) if kind is Kind.BALANCE else Page(None, None, (), None), (), None)
    body = _object(value)
    refusals = tuple(_text(_object(error), "code") for error in _list(body.get("userErrors", [])))
    replayed = body.get("replayed")
    if not (replayed is None or isinstance(replayed, bool)):
        raise MalformedAnswerError("replayed must be true or false")
    return Payload(None if refusals else _READERS[kind](body), refusals, replayed)


def _object(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise MalformedAnswerError(f"an object was promised, not {type(value).__name__}")
    return value


def _list(value: object) -> list[object]:
    if not isinstance(value, list):
        raise MalformedAnswerError(f"a list was promised, not {type(value).__name__}")
    return value


def _text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not value:
        raise MalformedAnswerError(f"{name} must be a text")
    return value


def _optional(body: Mapping[str, object], name: str) -> str | None:
    return None if body.get(name) is None else _text(body, name)


def _money(body: Mapping[str, object], name: str) -> int:
    money = _object(body.get(name))
    if money.get("currency") != CURRENCY:
        raise MalformedAnswerError(f"{name} must be in {CURRENCY}, not {money.get('currency')!r}")
    return minor(money.get("amount"))


def _opened(body: Mapping[str, object]) -> Opened:
    account = _object(body.get("account"))
    return Opened(_text(account, "id"), _text(account, "number"), _money(account, "balance"))


def _moved(body: Mapping[str, object]) -> Moved:
    transaction = _object(body.get("transaction"))
    return Moved(
        transaction_id=_text(transaction, "id"),
        transaction_kind=_text(transaction, "kind"),
        amount_minor=_money(transaction, "amount"),
        from_number=_optional(transaction, "fromAccountNumber"),
        to_number=_optional(transaction, "toAccountNumber"),
        created_at=_text(transaction, "createdAt"),
        balance_after_minor=_money(body, "balanceAfter"),
    )


def _balances(body: Mapping[str, object]) -> Balances:
    accounts = [_object(account) for account in _list(body.get("accounts"))]
    balances = {_text(account, "id"): _money(account, "balance") for account in accounts}
    if len(balances) != len(accounts):
        raise MalformedAnswerError("an account appears twice in one answer")
    return Balances(_text(body, "id"), balances)


def _balance(body: Mapping[str, object]) -> Balance:
    return Balance(_text(body, "id"), _money(body, "balance"))


def _page(body: Mapping[str, object]) -> Page:
    connection = _object(body.get("transactions"))
    info = _object(connection.get("pageInfo"))
    edges = [_object(edge) for edge in _list(connection.get("edges"))]
    return Page(
        account_id=_text(body, "id"),
        balance_minor=_money(body, "balance"),
        edges=tuple(
            Edge(_text(_object(edge.get("node")), "id"), _money(edge, "change"), _money(edge, "balanceAfter"))
            for edge in edges
        ),
        end_cursor=_optional(info, "endCursor") if info.get("hasNextPage") is True else None,
    )


def _tokens(body: Mapping[str, object]) -> Tokens:
    tokens = _object(body.get("tokens"))
    return Tokens(_text(tokens, "accessToken"), _text(tokens, "refreshToken"))


def _known(body: Mapping[str, object]) -> Known:
    return Known(_text(_object(body.get("user")), "id"))


def _done(body: Mapping[str, object]) -> Done:
    if body.get("closed") is not True:
        raise MalformedAnswerError("closed must be true")
    return Done()


_READERS: Mapping[Kind, Callable[[Mapping[str, object]], Answer]] = {
    Kind.REGISTER: _known,
    Kind.LOGIN: _tokens,
    Kind.LOGOUT: _done,
    Kind.REFRESH: _tokens,
    Kind.OPEN_ACCOUNT: _opened,
    Kind.DEPOSIT: _moved,
    Kind.TRANSFER: _moved,
    Kind.ME: _balances,
    Kind.BALANCE: _balance,
    Kind.HISTORY: _page,
}
