"""Events about the keys that sign access tokens."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import SHA_256, described


class SigningKeyRotatedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """There is a new key for access tokens. Nobody who was logged in to the bank made it.

    `wrapped_digest` is the SHA-256 of the key as it is stored, which is encrypted by the master key.
    """

    aggregate_type = "SigningKey"

    key_id: Annotated[UUID, described("The key; its id is the `kid` of tokens.")]
    signs_from: Annotated[datetime, described("From when on it signs.")]
    older_until: Annotated[datetime, described("From when on tokens of earlier keys are refused.")]
    wrapped_digest: Annotated[str, described("SHA-256 of the stored, encrypted key, in hex.", pattern=SHA_256)]

    @property
    def aggregate_id(self) -> UUID:
        """The key."""
        return self.key_id
