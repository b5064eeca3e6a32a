"""The requests of planned withdrawals, batches, reversals, holds, status changes, statements and other reads."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from simulation.model.answers import Answer, HoldReceipt, OpenedAccount, TransactionReceipt
from simulation.model.attempts import Sent
from simulation.model.operations import CURRENCY, Intent, Kind, Operation

STATEMENT_PAGE = 100
"""The largest permitted page, so most statements fit on one page."""

STATEMENT_PERIOD_MS = 5_000
"""The length of the period of a statement."""

ComposedRequest = tuple[Mapping[str, object], Sent]


class NotSendableError(Exception):
    """An error: the operation needs an object that the bank did not create, such as an account whose opening failed."""


class NoNextPageError(NotSendableError):
    """An error: the previous page was the last one, so there is no next page to request."""


@dataclass(frozen=True, slots=True)
class PriorAnswers:
    """The bank's answers so far: accounts by their number in the plan, and answers and cursors by operation."""

    account: Callable[[int | None], OpenedAccount]
    answers: Mapping[int, Answer]
    cursors: Mapping[int, str]


class AccountRequestComposer:
    """A composer of the requests that need more than accounts and amounts."""

    def __init__(self, prior: PriorAnswers, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._prior = prior
        self._now = now
        self._expiries: dict[tuple[int, str | None, int], str] = {}
        self._periods: dict[int, tuple[str, str]] = {}

    def compose(self, operation: Operation) -> ComposedRequest:
        """Return variables and content of a request. Raises NotSendableError if an object that it needs is missing."""
        match operation.kind:
            case Kind.WITHDRAW:
                return self._withdrawal(operation)
            case Kind.BATCH:
                return self._list(operation)
            case Kind.REVERSE:
                about = {"transactionId": self._transaction(operation)}
                return self._ending(operation, about, about["transactionId"])
            case Kind.AUTHORIZE:
                return self._authorization(operation)
            case Kind.CAPTURE | Kind.RELEASE:
                about = {"holdId": self._hold(operation)}
                return self._ending(operation, about, about["holdId"])
            case Kind.STATEMENT:
                return self._statement(operation)
            case Kind.HOLDS:
                account_id = self._prior.account(operation.account).account_id
                return {"id": account_id}, Sent(account_id=account_id)
            case Kind.LIMITS | Kind.DAYS:
                return self._account(operation)
            case Kind.AUDIT:
                return self._trail(operation)
            case _:
                return self._state(operation)

    def _withdrawal(self, operation: Operation) -> ComposedRequest:
        account = self._prior.account(operation.account)
        content = {"idempotencyKey": operation.key, "accountNumber": account.number, "amount": _money(operation.amount)}
        content["description"] = operation.text
        sent = Sent(account_id=account.account_id, amount=operation.amount, currency=CURRENCY, text=operation.text)
        return {"input": content}, sent

    def _account(self, operation: Operation) -> ComposedRequest:
        account_id = self._prior.account(operation.account).account_id
        variables: dict[str, object] = {"id": account_id}
        if operation.kind is Kind.DAYS:
            today = self._now().date()
            # These days include today in every time zone.
            variables["from"], variables["to"] = ((today + timedelta(days=days)).isoformat() for days in (-1, 1))
        return variables, Sent(account_id=account_id)

    def _trail(self, operation: Operation) -> ComposedRequest:
        """Return the request for a page of the audit trail, of one account if the operation names one."""
        about = None if operation.account is None else self._prior.account(operation.account).account_id
        after = self._after(operation)
        variables = {"entityId": about, "limit": operation.page_size, "after": after}
        return variables, Sent(about_id=about, after=after)

    def _after(self, operation: Operation) -> str | None:
        if operation.intent is not Intent.NEXT_PAGE or operation.follows is None:
            return None
        cursor = self._prior.cursors.get(operation.follows.index)
        if cursor is None:
            raise NoNextPageError
        return cursor

    def _list(self, operation: Operation) -> ComposedRequest:
        source = self._prior.account(operation.account).account_id
        items = [(self._prior.account(target).number, amount) for target, amount in operation.items]
        content = {
            "idempotencyKey": operation.key,
            "atomic": operation.atomic,
            "transfers": [
                {
                    "fromAccountId": source,
                    "toAccountNumber": number,
                    "amount": _money(amount),
                    "description": operation.text,
                }
                for number, amount in items
            ],
        }
        text = operation.text
        each = tuple(Sent(account_id=source, target_number=n, amount=a, currency=CURRENCY, text=text) for n, a in items)
        return {"input": content}, Sent(account_id=source, items=each, atomic=operation.atomic)

    def _authorization(self, operation: Operation) -> ComposedRequest:
        source, target = (self._prior.account(index) for index in (operation.account, operation.target))
        content: dict[str, object] = {
            "idempotencyKey": operation.key,
            "fromAccountId": source.account_id,
            "toAccountNumber": target.number,
            "amount": _money(operation.amount),
            "description": operation.text,
        }
        sent = Sent(account_id=source.account_id, target_number=target.number, amount=operation.amount)
        sent = replace(sent, text=operation.text)
        if operation.life_ms is not None:
            # A retry with the same key must have the same end.
            ends = self._now() + timedelta(milliseconds=operation.life_ms)
            expires_at = self._expiries.setdefault((operation.person, operation.key, operation.life_ms), _instant(ends))
            content["expiresAt"], sent = expires_at, replace(sent, expires_at=expires_at)
        return {"input": content}, replace(sent, currency=CURRENCY)

    def _ending(self, operation: Operation, about: Mapping[str, str], id_: str) -> ComposedRequest:
        """Return the request that ends a hold or reverses a transaction, as a whole if there is no amount."""
        content: dict[str, object] = {"idempotencyKey": operation.key, **about}
        if operation.amount is not None:
            content["amount"] = _money(operation.amount)
        sent = Sent(about_id=id_, amount=operation.amount, currency=CURRENCY)
        if operation.kind is Kind.REVERSE:
            content["reason"], sent = operation.text, replace(sent, text=operation.text)
        return {"input": content}, sent

    def _transaction(self, operation: Operation) -> str:
        match self._about(operation):
            case TransactionReceipt(transaction_id=id_) | HoldReceipt(moved=TransactionReceipt(transaction_id=id_)):
                return id_
        raise NotSendableError("the transaction does not exist")

    def _hold(self, operation: Operation) -> str:
        answer = self._about(operation)
        if isinstance(answer, HoldReceipt):
            return answer.hold.hold_id
        raise NotSendableError("the hold does not exist")

    def _about(self, operation: Operation) -> Answer | None:
        return None if operation.about is None else self._prior.answers.get(operation.about.index)

    def _statement(self, operation: Operation) -> ComposedRequest:
        account_id = self._prior.account(operation.account).account_id
        end = self._now() - timedelta(milliseconds=operation.age_ms)
        begin = end - timedelta(milliseconds=STATEMENT_PERIOD_MS)
        after = self._after(operation)
        # A next page has the period of its first page.
        usual = _instant(begin), _instant(end)
        since, at = usual if operation.follows is None else self._periods.get(operation.follows.index, usual)
        self._periods[operation.index] = since, at
        first = operation.page_size or STATEMENT_PAGE
        variables = {"id": account_id, "at": at, "from": since, "to": at, "first": first, "after": after}
        return variables, Sent(account_id=account_id, since=since, until=at, after=after)

    def _state(self, operation: Operation) -> ComposedRequest:
        account = self._prior.account(operation.account)
        sent = Sent(account_id=account.account_id, amount=operation.amount)
        if operation.kind is Kind.CLOSE:
            return {"input": {"accountId": account.account_id}}, sent
        if operation.kind is Kind.LIMIT:
            # An amount is the limit per transfer, and `DAILY_LIMIT_FACTOR` times it the limit per day. No amount means
            # the limits of the bank.
            once, a_day = limits_of(operation.amount)
            content = {"accountNumber": account.number, "perTransfer": once, "perDay": a_day}
            return {"input": content}, sent
        return {"input": {"accountNumber": account.number, "reason": "as planned"}}, sent


DAILY_LIMIT_FACTOR = 10
"""The limit per day, as a multiple of the limit per transfer."""


def limits_of(amount: str | None) -> tuple[dict[str, str] | None, dict[str, str] | None]:
    """Return the limits per transfer and per day that an operation with this amount sets."""
    if amount is None:
        return None, None
    whole, _, cents = amount.partition(".")
    day_minor = DAILY_LIMIT_FACTOR * int(whole + cents)
    return _money(amount), _money(f"{day_minor // 100}.{day_minor % 100:02d}")


def _money(amount: str | None) -> dict[str, str]:
    assert amount is not None, "the operation has an amount"
    return {"amount": amount, "currency": CURRENCY}


def _instant(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
