"""Metadata of the events of a request: its origin, encrypted before it is stored (R15)."""

from typing import Any
from uuid import UUID

from cachetools import LRUCache

from bank.encryption.cipher import PersonalTextCipher
from bank.encryption.texts import DataKey, encrypt_text
from bank.events.event import EventMetadata
from bank.telemetry.context import RequestContext, current_context

# The origins of as many clients as there are cached keys.
CACHED_MAX = 10_000

Origin = tuple[str | None, str | None]
"""The address and the user agent of a client; both are encrypted, or both are plain."""

NO_METADATA = EventMetadata()


class EventOrigins:
    """Makes the metadata of events from the context of their request."""

    def __init__(self, cipher: PersonalTextCipher) -> None:
        self.cipher = cipher
        # A client's events share one encrypted origin, because encryption takes 4 µs, and a request has many events.
        self._encrypted: LRUCache[tuple[int, Origin], Origin] = LRUCache(CACHED_MAX)

    async def metadata(
        self,
        context: RequestContext | None = None,
        *,
        person_id: UUID | None = None,
        key: DataKey | None = None,
        connection: Any = None,
    ) -> EventMetadata:
        """Return the metadata of the events of a request, the current one by default.

        The origin is encrypted with `key`, else for the authenticated user, else for `person_id`, and with the key of
        the day if nobody is known. Raises the errors of `DataKeys`.
        """
        context = context or current_context()
        if context is None:
            return NO_METADATA
        address, user_agent = context.ip_address, context.user_agent
        if address is not None or user_agent is not None:
            key = key or await self.cipher.key_for(context.actor_id or person_id, connection)
            address, user_agent = self._encrypt(key, (address, user_agent))
        return EventMetadata(
            correlation_id=context.correlation_id,
            actor_id=context.actor_id,
            ip_address=address,
            user_agent=user_agent,
        )

    def _encrypt(self, key: DataKey, origin: Origin) -> Origin:
        identity = (key.number, origin)
        encrypted = self._encrypted.get(identity)
        if encrypted is None:
            address, user_agent = (text and encrypt_text(key, text) for text in origin)
            self._encrypted[identity] = encrypted = address, user_agent
        return encrypted
