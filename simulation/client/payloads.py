"""Strict parsing of responses. A response that does not have the form of the contract is an error."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from simulation.client.value_types import MalformedAnswerError, as_list, as_object, money, optional, text
from simulation.model.answers import (
    AccountHolds,
    AccountLimits,
    AccountStatus,
    Acknowledgement,
    Answer,
    Balance,
    Balances,
    BatchReceipt,
    Edge,
    Hold,
    HoldReceipt,
    OpenedAccount,
    OtherPage,
    Page,
    Statement,
    Tokens,
    TransactionReceipt,
)
from simulation.model.operations import Kind

FIELDS: Mapping[Kind, str] = {
    Kind.REGISTER: "register",
    Kind.LOGIN: "login",
    Kind.LOGOUT: "logout",
    Kind.REFRESH: "refreshSession",
    Kind.OPEN_ACCOUNT: "openAccount",
    Kind.DEPOSIT: "deposit",
    Kind.TRANSFER: "transfer",
    Kind.WITHDRAW: "withdraw",
    Kind.BATCH: "transferBatch",
    Kind.REVERSE: "reverseTransaction",
    Kind.AUTHORIZE: "authorizeHold",
    Kind.CAPTURE: "captureHold",
    Kind.RELEASE: "releaseHold",
    Kind.FREEZE: "freezeAccount",
    Kind.UNFREEZE: "unfreezeAccount",
    Kind.LIMIT: "setAccountLimits",
    Kind.CLOSE: "closeAccount",
    Kind.STATEMENT: "account",
    Kind.HOLDS: "account",
    Kind.DAYS: "account",
    Kind.LIMITS: "account",
    Kind.AUDIT: "auditLogs",
    Kind.ME: "me",
    Kind.BALANCE: "account",
    Kind.HISTORY: "account",
}
"""The root field of each operation's document."""


@dataclass(frozen=True, slots=True)
class Payload:
    """The result of a mutation or query: an answer, or the codes of its refusal.

    `replayed` is None if the payload has no such field.
    """

    answer: Answer | None
    refusals: tuple[str, ...]
    replayed: bool | None


def read_payload(kind: Kind, data: Mapping[str, object]) -> Payload:
    """Parse the data of a GraphQL answer. Raises MalformedAnswerError if it does not have the form of the contract."""
    field = FIELDS[kind]
    if field not in data:
        raise MalformedAnswerError(f"the answer has no field {field}")
    value = data[field]
    if kind in {Kind.BALANCE, Kind.HISTORY} and value is None:
        return Payload(Balance(None, None) if kind is Kind.BALANCE else Page(None, None, (), None), (), None)
    body = as_object(value)
    refusals = tuple(text(as_object(error), "code") for error in as_list(body.get("userErrors", [])))
    replayed = body.get("replayed")
    if not (replayed is None or isinstance(replayed, bool)):
        raise MalformedAnswerError("replayed must be true or false")
    return Payload(None if refusals else _READERS[kind](body), refusals, replayed)


def _opened_account(body: Mapping[str, object]) -> OpenedAccount:
    account = as_object(body.get("account"))
    return OpenedAccount(text(account, "id"), text(account, "number"), money(account, "balance"))


def _transaction_receipt(body: Mapping[str, object]) -> TransactionReceipt:
    transaction = as_object(body.get("transaction"))
    return TransactionReceipt(
        transaction_id=text(transaction, "id"),
        transaction_kind=text(transaction, "kind"),
        amount_minor=money(transaction, "amount"),
        from_number=optional(transaction, "fromAccountNumber"),
        to_number=optional(transaction, "toAccountNumber"),
        created_at=text(transaction, "createdAt"),
        balance_after_minor=money(body, "balanceAfter") if "balanceAfter" in body else None,
        fee_minor=money(body, "fee") if "fee" in body else 0,
        related_id=optional(transaction, "relatedTransactionId") or optional(transaction, "holdId"),
    )


def _batch_receipt(body: Mapping[str, object]) -> BatchReceipt:
    items: list[TransactionReceipt | str] = []
    for result in map(as_object, as_list(body.get("results"))):
        refusals = [text(as_object(error), "code") for error in as_list(result.get("userErrors", []))]
        items.append(refusals[0] if refusals else _transaction_receipt(result))
    return BatchReceipt(tuple(items))


def _hold(body: Mapping[str, object]) -> Hold:
    return Hold(
        hold_id=text(body, "id"),
        status=text(body, "status"),
        amount_minor=money(body, "amount"),
        captured_minor=money(body, "captured"),
        from_number=text(body, "fromAccountNumber"),
        to_number=text(body, "toAccountNumber"),
        expires_at=text(body, "expiresAt"),
    )


def _hold_receipt(body: Mapping[str, object]) -> HoldReceipt:
    moved = None if body.get("transaction") is None else _transaction_receipt(body)
    return HoldReceipt(_hold(as_object(body.get("hold"))), money(body, "availableAfter"), moved)


def _account_status(body: Mapping[str, object]) -> AccountStatus:
    account = as_object(body.get("account"))
    return AccountStatus(text(account, "id"), text(account, "status"))


def _account_limits(body: Mapping[str, object]) -> AccountLimits:
    account = as_object(body.get("account"))
    limits = as_object(account.get("limits"))
    return AccountLimits(text(account, "id"), money(limits, "perTransfer"), money(limits, "perDay"))


def _account_holds(body: Mapping[str, object]) -> AccountHolds:
    return AccountHolds(
        account_id=text(body, "id"),
        balance_minor=money(body, "balance"),
        available_minor=money(body, "availableBalance"),
        held_minor=money(body, "heldBalance"),
        holds=tuple(_hold(as_object(hold)) for hold in as_list(body.get("holds"))),
    )


def _balances(body: Mapping[str, object]) -> Balances:
    accounts = [as_object(account) for account in as_list(body.get("accounts"))]
    balances = {text(account, "id"): money(account, "balance") for account in accounts}
    if len(balances) != len(accounts):
        raise MalformedAnswerError("an account appears twice in one answer")
    return Balances(text(body, "id"), balances)


def _balance(body: Mapping[str, object]) -> Balance:
    return Balance(text(body, "id"), money(body, "balance"))


def _page(body: Mapping[str, object]) -> Page:
    connection = as_object(body.get("transactions"))
    info = as_object(connection.get("pageInfo"))
    return Page(text(body, "id"), money(body, "balance"), _edges(connection), _next_cursor(info))


def _edges(connection: Mapping[str, object]) -> tuple[Edge, ...]:
    edges = [as_object(edge) for edge in as_list(connection.get("edges"))]
    return tuple(
        Edge(text(as_object(edge.get("node")), "id"), money(edge, "change"), money(edge, "balanceAfter"))
        for edge in edges
    )


def _statement(body: Mapping[str, object]) -> Statement:
    statement = as_object(body.get("statement"))
    connection = as_object(statement.get("transactions"))
    return Statement(
        account_id=text(body, "id"),
        balance_at_minor=money(body, "balanceAt"),
        opening_minor=money(statement, "openingBalance"),
        closing_minor=money(statement, "closingBalance"),
        edges=_edges(connection),
        is_whole=as_object(connection.get("pageInfo")).get("hasNextPage") is False,
        end_cursor=_next_cursor(as_object(connection.get("pageInfo"))),
    )


def _other_page(body: Mapping[str, object]) -> OtherPage:
    return OtherPage(_next_cursor(as_object(body.get("pageInfo"))) if "pageInfo" in body else None)


def _next_cursor(info: Mapping[str, object]) -> str | None:
    return optional(info, "endCursor") if info.get("hasNextPage") is True else None


def _tokens(body: Mapping[str, object]) -> Tokens:
    tokens = as_object(body.get("tokens"))
    return Tokens(text(tokens, "accessToken"), text(tokens, "refreshToken"), optional(body, "deviceToken"))


def _acknowledgement(field: str) -> Callable[[Mapping[str, object]], Answer]:
    def read(body: Mapping[str, object]) -> Acknowledgement:
        if body.get(field) is not True:
            raise MalformedAnswerError(f"{field} must be true")
        return Acknowledgement()

    return read


_READERS: Mapping[Kind, Callable[[Mapping[str, object]], Answer]] = {
    Kind.REGISTER: _acknowledgement("accepted"),
    Kind.LOGIN: _tokens,
    Kind.LOGOUT: _acknowledgement("closed"),
    Kind.REFRESH: _tokens,
    Kind.OPEN_ACCOUNT: _opened_account,
    Kind.DEPOSIT: _transaction_receipt,
    Kind.TRANSFER: _transaction_receipt,
    Kind.WITHDRAW: _transaction_receipt,
    Kind.BATCH: _batch_receipt,
    Kind.REVERSE: _transaction_receipt,
    Kind.AUTHORIZE: _hold_receipt,
    Kind.CAPTURE: _hold_receipt,
    Kind.RELEASE: _hold_receipt,
    Kind.FREEZE: _account_status,
    Kind.UNFREEZE: _account_status,
    Kind.LIMIT: _account_limits,
    Kind.CLOSE: _account_status,
    Kind.STATEMENT: _statement,
    Kind.HOLDS: _account_holds,
    Kind.DAYS: _other_page,
    Kind.LIMITS: _other_page,
    Kind.AUDIT: _other_page,
    Kind.ME: _balances,
    Kind.BALANCE: _balance,
    Kind.HISTORY: _page,
}
