"""An in-memory ledger with the decisions of the real one, one command per batch and without a database."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec

from bank.clock import business_day
from bank.idempotency.keys import IdempotencyRecord
from bank.idempotency.outcomes import HoldReceipt, Outcome, Receipt, Results
from bank.ledger.batch import Batch
from bank.ledger.model import Account, Command, Hold, Original
from bank.ledger.policy import CASH_ACCOUNTS, FEE_ACCOUNTS
from bank.ledger.terms import Terms
from bank.money import MAX_POSTING_MINOR
from bank.refusal import Refusal
from bank.transfers.transfer import SubmitTransfer

NOW = datetime(2026, 11, 22, 15, tzinfo=UTC)
TODAY = business_day(NOW)
YESTERDAY = TODAY - timedelta(days=1)
ANA, BIA, STAFF = (UUID(int=number) for number in (1, 2, 3))
ANAS, ANAS_OTHER, BIAS = (UUID(int=number) for number in (11, 12, 21))
TERMS = Terms(transfer_limit_minor=50_000, daily_limit_minor=80_000, hold_life=timedelta(days=3))

WRONG_IN_ITSELF = [
    ({"key": ""}, "INVALID_INPUT", ("idempotencyKey",)),
    ({"key": "k" * 256}, "INVALID_INPUT", ("idempotencyKey",)),
    ({"key": "a\tb"}, "INVALID_INPUT", ("idempotencyKey",)),
    ({"description": "x" * 141}, "INVALID_INPUT", ("description",)),
    ({"description": "\x07"}, "INVALID_INPUT", ("description",)),
    ({"amount": "0.00"}, "INVALID_AMOUNT", ("amount", "amount")),
    ({"amount": "-0.01"}, "INVALID_AMOUNT", ("amount", "amount")),
    ({"amount": "1.001"}, "INVALID_AMOUNT", ("amount", "amount")),
    ({"amount": f"{MAX_POSTING_MINOR // 100 + 1}.00"}, "INVALID_AMOUNT", ("amount", "amount")),
    ({"currency": "XXX"}, "CURRENCY_MISMATCH", ("amount", "currency")),
]
"""The invalid inputs of every mutation that moves money, with the code and the field of the refusal."""


def account(id_: UUID, user_id: UUID | None, balance_minor: int, **more: Any) -> Account:
    """Return an account whose number contains its id."""
    given: dict[str, Any] = {
        "kind": "CUSTOMER",
        "currency": "BRL",
        "status": "ACTIVE",
        "version": 5,
        "revision": 7,
    } | more
    return Account(
        id=id_, user_id=user_id, number=f"number-{id_.int}", balance_minor=balance_minor, created_at=NOW, **given
    )


class InMemoryLedger:
    """An in-memory ledger. Like the real one, a batch loads only the accounts that its command names."""

    def __init__(self, *changed: Account, originals: Iterable[Original] = (), holds: Iterable[Hold] = ()) -> None:
        usual = [
            account(ANAS, ANA, 100_000),
            account(ANAS_OTHER, ANA, 0),
            account(BIAS, BIA, 0),
            account(CASH_ACCOUNTS["BRL"], None, -100_000, kind="CASH"),
            account(FEE_ACCOUNTS["BRL"], None, 0, kind="FEES"),
        ]
        self.accounts = {one.id: one for one in (*usual, *changed)}
        self.originals = {one.id: one for one in originals}
        self.holds = {one.id: one for one in holds}
        self.known: dict[tuple[UUID | None, str | None], IdempotencyRecord] = {}
        self.batch: Batch
        self.command: Command

    async def encrypt_text(self, text: str | None, _person_id: UUID | None) -> str | None:
        """Return a text as it is: encryption has tests of its own."""
        return text

    async def post(self, command: Command) -> Outcome:
        """Decide a command, and keep its changes. Raises the exception of a broken decision."""
        self.command = command
        self.batch = Batch(
            {id_: self.accounts[id_] for id_ in command.account_ids if id_ in self.accounts},
            self.known,
            NOW,
            originals={id_: self.originals[id_] for id_ in command.original_ids if id_ in self.originals},
            holds={id_: self.holds[id_] for id_ in command.hold_ids if id_ in self.holds},
        )
        outcome = self.batch.decide(command)
        if self.batch.broken:
            raise self.batch.broken[0][1]
        assert isinstance(outcome, Outcome)
        self.accounts |= {one.id: one for one in self.batch.changed}
        self.holds |= {one.id: one for one in self.batch.holds}
        return outcome

    @property
    def other_events(self) -> list[Any]:
        """The events that are not of postings."""
        return [event for event, _ in self.batch.other_events]


def refused(outcome: Outcome) -> tuple[str, tuple[str, ...] | None]:
    """Return the code and the field of a refusal, without the leading `input`."""
    refusal = outcome.result
    assert isinstance(refusal, Refusal), refusal
    assert refusal.message
    assert refusal.field is None or refusal.field[0] == "input"
    return refusal.code, refusal.field and refusal.field[1:]


def receipt_of(outcome: Outcome) -> Receipt:
    """Return the receipt of a posting."""
    result = outcome.result.receipt if isinstance(outcome.result, HoldReceipt) else outcome.result
    assert isinstance(result, Receipt), result
    return result


def hold_of(outcome: Outcome) -> HoldReceipt:
    """Return the receipt of a hold."""
    assert isinstance(outcome.result, HoldReceipt), outcome.result
    return outcome.result


def items_of(outcome: Outcome) -> tuple[Receipt | Refusal, ...]:
    """Return the result of each item of a list."""
    assert isinstance(outcome.result, Results), outcome.result
    return outcome.result.items


def fields_of(struct: msgspec.Struct, *without: str) -> dict[str, Any]:
    """Return every field of a result, except `without`."""
    return {name: value for name, value in msgspec.structs.asdict(struct).items() if name not in without}


def spent(one: Account) -> tuple[int, date]:
    """Return the amount that counts against the daily limit, and its day."""
    return one.spent_minor, one.spent_on


def transfer(**more: Any) -> SubmitTransfer:
    """Return a transfer of 10.00 from Ana to Bia, with changes."""
    given = {"caller_id": ANA, "key": "k", "from_id": ANAS, "to_number": "number-21", "to_id": BIAS, "amount": "10.00"}
    return SubmitTransfer(**{**given, "currency": "BRL", "description": None, **more})
