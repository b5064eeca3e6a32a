"""Commands of the ledger, their outcomes, and outcomes as they are stored under keys."""

from datetime import datetime
from uuid import UUID

import msgspec

from bank.ledger.keys import KEY_REUSED, KnownKey
from bank.ledger.model import Decide, Refusal
from bank.telemetry.context import RequestContext


# Structs, not dataclasses: five are made for each posting, and a frozen dataclass costs ten times as much (measured).
class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A request to post, with all that its decisions need.

    `digest` stands for the content: the same key with another digest or operation is a mistake of the caller's. What
    the bank does by itself has no caller; what is only to be on record has no key.
    `decide` holds one decision, or several of which each sees what those before it have done: with `all_or_none` a
    refusal undoes all of them. What is named by the ids is locked and put before them, the unknown left out; the first
    account is the one that a refusal is about.
    """

    caller_id: UUID | None
    key: str | None
    operation: str
    digest: bytes
    decide: tuple[Decide, ...]
    account_ids: tuple[UUID, ...] = ()
    original_ids: tuple[UUID, ...] = ()
    hold_ids: tuple[UUID, ...] = ()
    is_list: bool = False
    all_or_none: bool = True
    context: RequestContext | None = None


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The result of a posting. It is stored, so that a retry gets the same one, to the letter.

    `fee_minor` is what was debited on top, with a transaction of its own; the balances are those after both.
    """

    transaction_id: UUID
    kind: str
    amount_minor: int
    currency: str
    debit_number: str
    credit_number: str
    description: str | None
    created_at: datetime
    debit_balance_after_minor: int
    credit_balance_after_minor: int
    fee_minor: int = 0
    related_id: UUID | None = None
    hold_id: UUID | None = None


class HoldReceipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The state of a hold after a command; `receipt` is that of the capture."""

    id: UUID
    status: str
    amount_minor: int
    captured_minor: int
    currency: str
    debit_number: str
    credit_number: str
    description: str | None
    expires_at: datetime
    created_at: datetime
    available_after_minor: int
    receipt: Receipt | None = None


class Results(msgspec.Struct, frozen=True, gc=False):
    """The results of the decisions of a list, in its order."""

    items: tuple[Receipt | Refusal, ...]


Result = Receipt | HoldReceipt | Results | Refusal


class Outcome(msgspec.Struct, frozen=True):
    """The result of a command. `replayed`: it was decided by an earlier command with the same key."""

    result: Result
    replayed: bool = False


class _Stored(msgspec.Struct, frozen=True, omit_defaults=True):
    """A result as its key's row keeps it: one of these."""

    receipt: Receipt | None = None
    refusal: Refusal | None = None
    hold: HoldReceipt | None = None
    items: tuple["_Stored", ...] | None = None

    def result(self) -> Result:
        """Return what was stored."""
        if self.items is not None:
            return Results(tuple(item.item() for item in self.items))
        return self.hold or self.item()

    def item(self) -> Receipt | Refusal:
        """Return what was stored of one posting."""
        item = self.receipt or self.refusal
        assert item is not None
        return item


def store(result: Result) -> str:
    """Return a result as its key's row keeps it."""
    return msgspec.json.encode(_stored(result)).decode()


def _stored(result: Result) -> _Stored:
    match result:
        case Receipt():
            return _Stored(receipt=result)
        case Refusal():
            return _Stored(refusal=result)
        case HoldReceipt():
            return _Stored(hold=result)
        case Results():
            return _Stored(items=tuple(_stored(item) for item in result.items))


def replay(known: KnownKey, command: Command) -> Outcome:
    """Return the first answer again, or the refusal of a key used for something else."""
    if not known.is_for(command.operation, command.digest):
        return Outcome(KEY_REUSED)
    return Outcome(msgspec.json.decode(known.outcome, type=_Stored).result(), replayed=True)
