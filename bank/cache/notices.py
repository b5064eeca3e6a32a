"""What one process could not tell Redis, the others are told through PostgreSQL, and do not believe Redis about.

Redis can be out of reach for one process and not for the next: without a word, the next one would go on giving the old
answers to somebody whom the first one has told of new ones (rule 11).
"""

from collections.abc import Sequence
from uuid import UUID

import msgspec
import structlog

from bank.cache.values import Tag
from bank.database.pool import Database
from bank.errors import BankError

logger = structlog.get_logger(__name__)

CHANNEL = "bank_cache"
# A notification takes 8,000 bytes; a tag without its value has about 70.
TAGS_MAX = 100


class _Notice(msgspec.Struct, frozen=True):
    sender: UUID
    tags: list[Tag]


class Notices:
    """Tells other processes, and understands what they tell."""

    def __init__(self, database: Database, owner: UUID) -> None:
        self._database = database
        self._owner = owner

    async def tell(self, tags: Sequence[Tag]) -> None:
        """Tell of versions that Redis has not heard of. Where nobody can be told, it is logged: the event will."""
        try:
            async with self._database.connection() as connection:
                for place in range(0, len(tags), TAGS_MAX):
                    some = [Tag(tag.key, tag.version, tag.ttl_s) for tag in tags[place : place + TAGS_MAX]]
                    notice = msgspec.json.encode(_Notice(self._owner, some)).decode()
                    await connection.execute("select pg_notify($1, $2)", CHANNEL, notice)
        except BankError as error:
            logger.warning("cache_notice_lost", tags=len(tags), error=str(error))

    def understand(self, payload: str) -> list[Tag]:
        """Return what another process has told; nothing where it was this one."""
        notice = msgspec.json.decode(payload, type=_Notice)
        return [] if notice.sender == self._owner else notice.tags
