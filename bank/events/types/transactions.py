"""Events about transactions."""

from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import CURRENCY, SHA_256, described

KINDS = ("DEPOSIT", "WITHDRAWAL", "TRANSFER", "REVERSAL", "FEE", "CAPTURE")


class TransactionInitiatedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The bank has accepted a transaction. Amounts are in minor units.

    `related_transaction_id` is the original of a reversal, or the transfer of a fee; `hold_id` is the hold of a
    capture. `description_digest` is a digest of the description with the salt of the row, because the description is
    personal.
    """

    aggregate_type = "Transaction"
    event_version = 2

    transaction_id: Annotated[UUID, described("The transaction.")]
    kind: Annotated[str, described("What kind of transaction it is.", enum=KINDS)]
    amount_minor: Annotated[int, described("What moved, in the currency's minor units.", minimum=1)]
    currency: Annotated[str, described("ISO 4217 code.", pattern=CURRENCY)]
    debit_account_id: Annotated[UUID, described("The account the money leaves.")]
    credit_account_id: Annotated[UUID, described("The account the money arrives at.")]
    initiated_by: Annotated[UUID, described("The user who asked for it.")]
    related_transaction_id: Annotated[
        UUID | None, described("The original of a reversal, the transfer of a fee; null where there is none.")
    ]
    hold_id: Annotated[UUID | None, described("The hold that was captured; null where there is none.")]
    description_digest: Annotated[
        str | None,
        described(
            "Salted SHA-256 of the description, in hex; null where there is none, absent in events from before this "
            "field.",
            pattern=SHA_256,
        ),
    ] = None

    @property
    def aggregate_id(self) -> UUID:
        """The transaction."""
        return self.transaction_id


class TransactionCompletedEvent(TransactionInitiatedEvent, frozen=True, kw_only=True, gc=False):
    """The transaction's money has moved, for good."""
