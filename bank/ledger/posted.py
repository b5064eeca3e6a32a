"""Decided postings and holds as rows and as events, which must say the same."""

from typing import Any
from uuid import UUID

import msgspec

from bank.events.event import DomainEvent, EventMetadata
from bank.events.types.accounts import BalanceUpdatedEvent
from bank.events.types.holds import HoldAuthorizedEvent, HoldCapturedEvent, HoldExpiredEvent, HoldReleasedEvent
from bank.events.types.transactions import TransactionCompletedEvent, TransactionInitiatedEvent
from bank.ledger.model import Account, Hold, Posting

# Initiated, two balances, completed: `write_batch` makes the rows of these in the same order.
EVENTS_A_POSTING = 4


class Posted(msgspec.Struct):
    """A posting that was decided: how both accounts stand after it, and whose doing it was.

    `key_digest` is filled in for the first posting of a command with a key, once its outcome is known.
    """

    transaction_id: UUID
    posting: Posting
    related_id: UUID | None
    debit: Account
    credit: Account
    initiated_by: UUID
    metadata: EventMetadata
    salt: bytes | None
    description_digest: str | None
    key_digest: str | None = None

    @property
    def first_metadata(self) -> EventMetadata:
        """The metadata of the first event, which vouches for the key as well."""
        if self.key_digest is None:
            return self.metadata
        return msgspec.structs.replace(self.metadata, key_digest=self.key_digest)

    def events(self) -> tuple[DomainEvent, ...]:
        """Return what is now true, in the order of the log."""
        posting = self.posting
        about: dict[str, Any] = {
            "transaction_id": self.transaction_id,
            "kind": posting.kind,
            "amount_minor": posting.amount_minor,
            "currency": posting.currency,
            "debit_account_id": posting.debit_id,
            "credit_account_id": posting.credit_id,
            "initiated_by": self.initiated_by,
            "related_transaction_id": self.related_id,
            "hold_id": posting.hold_id,
            "description_digest": self.description_digest,
        }
        return (
            TransactionInitiatedEvent(**about),
            self._balance_updated(self.debit, -posting.amount_minor),
            self._balance_updated(self.credit, posting.amount_minor),
            TransactionCompletedEvent(**about),
        )

    def _balance_updated(self, account: Account, change_minor: int) -> BalanceUpdatedEvent:
        return BalanceUpdatedEvent(
            account_id=account.id,
            transaction_id=self.transaction_id,
            version=account.version,
            change_minor=change_minor,
            balance_minor=account.balance_minor,
            currency=account.currency,
            initiated_by=self.initiated_by,
        )


def hold_event(hold: Hold, initiated_by: UUID | None, description_digest: str | None = None) -> DomainEvent:
    """Return what is now true of a hold: it was made, with a description perhaps, or has ended in one of three ways."""
    about: dict[str, Any] = {"hold_id": hold.id, "account_id": hold.account_id, "currency": hold.currency}
    if hold.status == "EXPIRED":
        return HoldExpiredEvent(**about, amount_minor=hold.amount_minor)
    assert initiated_by is not None, "only the end of its time happens to a hold by itself"
    about["initiated_by"] = initiated_by
    if hold.status == "AUTHORIZED":
        return HoldAuthorizedEvent(
            **about,
            to_account_id=hold.to_account_id,
            amount_minor=hold.amount_minor,
            expires_at=hold.expires_at,
            description_digest=description_digest,
        )
    if hold.status == "RELEASED":
        return HoldReleasedEvent(**about, amount_minor=hold.amount_minor)
    assert hold.transaction_id is not None
    return HoldCapturedEvent(
        **about,
        transaction_id=hold.transaction_id,
        captured_minor=hold.captured_minor,
        released_minor=hold.amount_minor - hold.captured_minor,
    )
