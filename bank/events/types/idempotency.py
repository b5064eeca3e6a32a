"""Events about idempotency keys."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import described


class KeysForgottenEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The bank has begun to forget idempotency keys that were used before a moment.

    A key that is missing and was used later was taken out by somebody.
    """

    aggregate_type = "IdempotencyKeys"

    used_before: Annotated[
        datetime, described("Keys that were used earlier are forgotten from here on, sooner or later.")
    ]

    @property
    def aggregate_id(self) -> UUID:
        """The nil UUID: it is about all of them."""
        return UUID(int=0)
