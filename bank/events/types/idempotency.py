"""Events about idempotency keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import described


class KeysForgottenEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The bank has begun to forget idempotency keys that were used before a moment.

    A missing key that was used later than this moment was deleted by hand.
    """

    aggregate_type = "IdempotencyKeys"

    used_before: Annotated[
        datetime, described("Keys that were used earlier are forgotten from here on, sooner or later.")
    ]

    @property
    def aggregate_id(self) -> UUID:
        """The nil UUID, because the event is about all keys."""
        return UUID(int=0)
