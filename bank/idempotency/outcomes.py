"""Stored outcomes: the results of commands, and the one codec that they are stored with under their keys.

A stored outcome is a JSON object. The member `version` is its format, and exactly one other member has the result.

| member | type | stored for |
| --- | --- | --- |
| `receipt` | `Receipt` | a posting: transfer, deposit, withdrawal, reversal |
| `hold` | `HoldReceipt` | a hold that was authorized, captured or released |
| `items` | list of objects with a `receipt` or a `refusal` | a transfer batch, in its order |
| `opened` | `OpenedAccount` | an account that was opened |
| `approval` | `ApprovalReceipt` | a request that needs an approval, or its approval |
| `refusal` | `Refusal` | any command that was refused |

Ids are UUIDs as text, times RFC 3339 with their zone, amounts integers in minor units. A member with its default value
is left out, except for `null` in a refusal's `field` and in a description.

Version 1 has no member `version`; everything else is as in version 2. Version 3 has the member `approval`; results of
other types are still stored as version 2, which older workers can read. A later change that an older worker could
misread gets the next number and a decoder of its own in `_DECODERS`; older ones stay for as long as their rows.
"""

from collections.abc import Callable
from datetime import datetime
from uuid import UUID

import msgspec

from bank.errors import OutcomeUnknown
from bank.refusal import Refusal

FORMAT_VERSION = 2
APPROVAL_VERSION = 3


# Structs, not dataclasses: five are created for each posting, and a frozen dataclass costs ten times as much
# (measured).
class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """The result of a posting. It is stored, so that a replay returns exactly the same result.

    `fee_minor` is the fee, which was debited in addition by its own transaction; the balances are those after both.
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
    """The state of a hold after a command. `receipt` is the receipt of a capture."""

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


class OpenedAccount(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """The values of an account that was opened. All other values are the same for each new account."""

    id: UUID
    user_id: UUID
    number: str
    currency: str
    created_at: datetime


class ApprovalReceipt(msgspec.Struct, frozen=True, gc=False):
    """The approval that a command waits for, or that it gave. Its state is in its row, because others decide it."""

    id: UUID


class Results(msgspec.Struct, frozen=True, gc=False):
    """The results of the decisions of a transfer batch, in its order."""

    items: tuple[Receipt | Refusal, ...]


Result = Receipt | HoldReceipt | Results | OpenedAccount | ApprovalReceipt | Refusal


class Outcome(msgspec.Struct, frozen=True):
    """The result of a command. `replayed`: it was decided by an earlier command with the same key."""

    result: Result
    replayed: bool = False


class UnknownOutcomeVersion(OutcomeUnknown):
    """Only a newer version of the bank can read the stored outcome. A retry may reach a worker of that version."""


class _StoredItem(msgspec.Struct, frozen=True, omit_defaults=True):
    """The result of one item of a transfer batch: either a receipt or a refusal."""

    receipt: Receipt | None = None
    refusal: Refusal | None = None

    def result(self) -> Receipt | Refusal:
        """Return the receipt or the refusal."""
        item = _only((self.receipt, self.refusal))
        assert isinstance(item, Receipt | Refusal)
        return item


class _StoredOutcome(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The format of versions 1 to 3."""

    # Version 1 did not have this member.
    version: int = 1
    receipt: Receipt | None = None
    refusal: Refusal | None = None
    hold: HoldReceipt | None = None
    items: tuple[_StoredItem, ...] | None = None
    opened: OpenedAccount | None = None
    approval: ApprovalReceipt | None = None

    def result(self) -> Result:
        """Return the result of the only member that is set."""
        listed = None if self.items is None else Results(tuple(item.result() for item in self.items))
        return _only((self.receipt, self.refusal, self.hold, listed, self.opened, self.approval))


class _Versioned(msgspec.Struct, frozen=True):
    """The only member that every version has."""

    version: int = 1


def encode_outcome(result: Result) -> str:
    """Return a result as the JSON text that is stored under its key, in the oldest format that has its type."""
    match result:
        case Receipt():
            stored = _StoredOutcome(version=FORMAT_VERSION, receipt=result)
        case Refusal():
            stored = _StoredOutcome(version=FORMAT_VERSION, refusal=result)
        case HoldReceipt():
            stored = _StoredOutcome(version=FORMAT_VERSION, hold=result)
        case Results():
            stored = _StoredOutcome(version=FORMAT_VERSION, items=tuple(_stored_item(item) for item in result.items))
        case OpenedAccount():
            stored = _StoredOutcome(version=FORMAT_VERSION, opened=result)
        case ApprovalReceipt():
            stored = _StoredOutcome(version=APPROVAL_VERSION, approval=result)
    return _ENCODER.encode(stored).decode()


def decode_outcome(stored: str) -> Result:
    """Return the result that was stored.

    Raises `UnknownOutcomeVersion` for a version that is newer than this code, `msgspec.ValidationError` for a text that
    is no stored outcome.
    """
    version = _VERSION_DECODER.decode(stored).version
    decode = _DECODERS.get(version)
    if decode is None:
        newest = max(_DECODERS)
        raise UnknownOutcomeVersion(
            f"The outcome stored under this key has format version {version}; this worker reads versions 1 to {newest}."
        )
    return decode(stored)


def transaction_id_of(result: Result) -> UUID | None:
    """Return the id of the transaction that a result reports; None for a result without one, or with several."""
    match result:
        case Receipt():
            return result.transaction_id
        case HoldReceipt(receipt=Receipt() as receipt):
            return receipt.transaction_id
        case _:
            return None


def _decode_as_one_member(stored: str) -> Result:
    return _DECODER.decode(stored).result()


def _stored_item(item: Receipt | Refusal) -> _StoredItem:
    return _StoredItem(refusal=item) if isinstance(item, Refusal) else _StoredItem(receipt=item)


def _only(members: tuple[Result | None, ...]) -> Result:
    present = [member for member in members if member is not None]
    if len(present) != 1:
        raise msgspec.ValidationError(f"A stored outcome holds one result, and this one holds {len(present)}.")
    return present[0]


_ENCODER = msgspec.json.Encoder()
_DECODER = msgspec.json.Decoder(_StoredOutcome)
_VERSION_DECODER = msgspec.json.Decoder(_Versioned)
_DECODERS: dict[int, Callable[[str], Result]] = dict.fromkeys((1, 2, 3), _decode_as_one_member)
