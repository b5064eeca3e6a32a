"""Events about holds."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import CURRENCY, SHA_256, described


class HoldEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The base class of events about a hold. Amounts are in minor units."""

    aggregate_type = "Hold"

    hold_id: Annotated[UUID, described("The hold.")]
    account_id: Annotated[UUID, described("The account on which the money was set aside.")]

    @property
    def aggregate_id(self) -> UUID:
        """The hold."""
        return self.hold_id


class HoldAuthorizedEvent(HoldEvent, frozen=True, kw_only=True, gc=False):
    """Money is set aside on an account, for another one to capture until it expires.

    `description_digest` is a digest of the description with the salt of the row, because the description is personal.
    """

    to_account_id: Annotated[UUID, described("The account that may capture it.")]
    amount_minor: Annotated[int, described("What is set aside, in the currency's minor units.", minimum=1)]
    currency: Annotated[str, described("ISO 4217 code.", pattern=CURRENCY)]
    expires_at: Annotated[datetime, described("When it is given back by itself.")]
    initiated_by: Annotated[UUID, described("The user who asked for it.")]
    description_digest: Annotated[
        str | None,
        described(
            "Salted SHA-256 of the description, in hex; null where there is none, absent in events from before this "
            "field.",
            pattern=SHA_256,
        ),
    ] = None


class HoldCapturedEvent(HoldEvent, frozen=True, kw_only=True, gc=False):
    """A hold's money has moved, with a transaction, and what was not captured is available again."""

    transaction_id: Annotated[UUID, described("The transaction that moved it.")]
    captured_minor: Annotated[int, described("What moved, in the currency's minor units.", minimum=1)]
    released_minor: Annotated[
        int, described("What was not captured and is available again, in minor units.", minimum=0)
    ]
    currency: Annotated[str, described("ISO 4217 code.", pattern=CURRENCY)]
    initiated_by: Annotated[UUID, described("The user who asked for it.")]


class HoldReleasedEvent(HoldEvent, frozen=True, kw_only=True, gc=False):
    """Somebody has given a hold up; its money is available again."""

    amount_minor: Annotated[int, described("What is available again, in minor units.", minimum=1)]
    currency: Annotated[str, described("ISO 4217 code.", pattern=CURRENCY)]
    initiated_by: Annotated[UUID, described("The user who asked for it.")]


class HoldExpiredEvent(HoldEvent, frozen=True, kw_only=True, gc=False):
    """A hold's time is over; its money is available again. No user has caused it."""

    amount_minor: Annotated[int, described("What is available again, in minor units.", minimum=1)]
    currency: Annotated[str, described("ISO 4217 code.", pattern=CURRENCY)]
