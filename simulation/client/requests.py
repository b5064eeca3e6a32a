"""The requests of planned operations, in which the bank's ids and numbers replace the numbers of the plan."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from simulation.client.account_requests import AccountRequestComposer, NoNextPageError, NotSendableError, PriorAnswers
from simulation.client.send import ALIASED
from simulation.client.tokens import TokenStore
from simulation.model.answers import Answer, OpenedAccount
from simulation.model.attempts import Sent
from simulation.model.operations import CURRENCY, Intent, Kind, Operation
from simulation.model.people import Person
from simulation.model.plan import Plan

UNKNOWN_ACCOUNT_ID = "00000000-0000-7000-8000-00000000dead"
"""A well-formed account id that the bank never generates, because its random part is not random."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request: the variables of the operation's document, and the content for the history.

    `document` replaces the usual document of the operation. With `respelled`, the JSON has another spelling, as from
    another client.
    """

    variables: Mapping[str, object]
    sent: Sent
    document: str | None = None
    respelled: bool = False


def mistyped(number: str) -> str:
    """Return an account number with a wrong check digit."""
    last = number[-1]
    return number[:-1] + (str((int(last) + 1) % 10) if last.isdigit() else "0")


def aliased(one: Request, two: Request) -> Request:
    """Return both transfers as one request, the second right after the first."""
    return Request({"one": one.variables["input"], "two": two.variables["input"]}, one.sent, document=ALIASED)


def respelled(request: Request) -> Request:
    """Return the same transfer with another spelling: no trailing zeros, other order, other white space."""
    content: Any = request.variables["input"]
    amount = {**content["amount"], "amount": content["amount"]["amount"].rstrip("0").rstrip(".")}
    turned = dict(reversed({**content, "amount": dict(reversed(amount.items()))}.items()))
    return replace(request, variables={"input": turned}, respelled=True)


class RequestComposer:
    """A composer of requests from the plan and the bank's answers so far."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self.accounts: dict[int, OpenedAccount] = {}
        self.cursors: dict[int, str] = {}
        self.answers: dict[int, Answer] = {}
        self._account_requests = AccountRequestComposer(PriorAnswers(self._account, self.answers, self.cursors))

    def compose(self, operation: Operation, tokens: TokenStore) -> Request:
        """Return the request of an operation. Raises NotSendableError if an object that it needs is missing."""
        person = self._plan.people[operation.person]
        match operation.kind:
            case Kind.REGISTER:
                return Request(_registration(person), Sent())
            case Kind.LOGIN:
                return Request(tokens.login_variables(operation.person), Sent())
            case Kind.REFRESH:
                refresh_token = tokens.refresh_token(operation.person)
                if refresh_token is None:
                    raise NotSendableError("there is no refresh token")
                return Request({"input": {"refreshToken": refresh_token}}, Sent())
            case Kind.LOGOUT | Kind.ME:
                return Request({}, Sent())
            case Kind.OPEN_ACCOUNT:
                opening = {**_keyed(operation), "currency": CURRENCY}
                return Request({"input": opening}, Sent(currency=CURRENCY))
            case Kind.BALANCE:
                account = self._account(operation.account)
                return Request({"id": account.account_id}, Sent(account_id=account.account_id))
            case Kind.HISTORY:
                return self._page(operation)
            case Kind.DEPOSIT:
                return self._deposit(operation)
            case Kind.TRANSFER:
                request = self._transfer(operation)
                return respelled(request) if operation.intent is Intent.RESPELLED else request
            case _:
                return Request(*self._account_requests.compose(operation))

    def _account(self, index: int | None) -> OpenedAccount:
        account = None if index is None else self.accounts.get(index)
        if account is None:
            raise NotSendableError("the account was never opened")
        return account

    def _page(self, operation: Operation) -> Request:
        account = self._account(operation.account)
        after = None
        if operation.intent is Intent.NEXT_PAGE and operation.follows is not None:
            after = self.cursors.get(operation.follows.index)
            if after is None and operation.phase == "warmup":
                raise NoNextPageError
        variables = {"id": account.account_id, "first": operation.page_size, "after": after}
        return Request(variables, Sent(account_id=account.account_id, after=after))

    def _deposit(self, operation: Operation) -> Request:
        account = self._account(operation.account)
        content = {
            **_keyed(operation),
            "accountNumber": account.number,
            "amount": {"amount": operation.amount, "currency": operation.currency},
            "description": operation.text,
        }
        sent = Sent(target_number=account.number, amount=operation.amount, currency=operation.currency)
        sent = replace(sent, text=operation.text)
        return Request({"input": content}, sent)

    def _transfer(self, operation: Operation) -> Request:
        source = self._account(operation.account).account_id
        target = self._account(operation.target).number
        first = operation.follows or operation
        if first.intent is Intent.UNKNOWN_ACCOUNT:
            source = UNKNOWN_ACCOUNT_ID
        if first.intent is Intent.MISTYPED_NUMBER:
            target = mistyped(target)
        content = {
            **_keyed(operation),
            "fromAccountId": source,
            "toAccountNumber": target,
            "amount": {"amount": operation.amount, "currency": operation.currency},
            "description": operation.text,
        }
        sent = Sent(account_id=source, target_number=target, amount=operation.amount, currency=operation.currency)
        sent = replace(sent, text=operation.text)
        return Request({"input": content}, sent)


def _keyed(operation: Operation) -> dict[str, object]:
    """Return the key as a field of the input. Without a key, the field is left out or null."""
    if operation.key is None and operation.slot % 2:
        return {}
    return {"idempotencyKey": operation.key}


def _registration(person: Person) -> dict[str, object]:
    return {
        "input": {
            "email": person.email,
            "fullName": person.full_name,
            "cpf": person.cpf,
            "password": person.password,
        }
    }
