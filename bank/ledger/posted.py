"""Decided postings and their events, which have to match the rows that `write_batch` makes."""

from typing import Any
from uuid import UUID

import msgspec

from bank.events.event import DomainEvent, EventMetadata
from bank.events.types.accounts import BalanceUpdatedEvent
from bank.events.types.transactions import TransactionCompletedEvent, TransactionInitiatedEvent
from bank.ledger.model import Account, Posting

# Initiated, two balances, completed: `write_batch` makes their rows in the same order.
EVENTS_PER_POSTING = 4


class Posted(msgspec.Struct):
    """A decided posting, with both accounts after it and its caller.

    `key_digest` is set for the first posting of a command with a key, as soon as its outcome is known.
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
        """The metadata of the first event, which has the digest of the key's row."""
        if self.key_digest is None:
            return self.metadata
        return msgspec.structs.replace(self.metadata, key_digest=self.key_digest)

    def events(self) -> tuple[DomainEvent, ...]:
        """Return the events of the posting, in the order of the log."""
        posting = self.posting
        fields: dict[str, Any] = {
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
            TransactionInitiatedEvent(**fields),
            self._balance_updated(self.debit, -posting.amount_minor),
            self._balance_updated(self.credit, posting.amount_minor),
            TransactionCompletedEvent(**fields),
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
