"""The context that every resolver of a request gets: the caller, the snapshot it reads, the tags of its response."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from bank.app import Bank
from bank.cache.values import CacheTag
from bank.database.snapshot import ReadSnapshot
from bank.events.event import DomainEvent
from bank.events.types.audit import ActionRefusedEvent
from bank.graphql.validation.validator import Operation
from bank.identity.tokens import Caller

PlainTexts = Mapping[str | None, str | None]
"""The plain text of each stored text."""

# Fields whose values are not in the account's own row.
_FROM_THE_DATABASE = frozenset({"Account.transactions", "Account.holds", "Account.balanceAt", "Account.statement"})
# Fields about the past: once they were read, later commits must not change their values.
HISTORICAL_FIELDS = frozenset({"Account.balanceAt", "Account.statement"})


@dataclass(slots=True)
class ResolverContext:
    """The context of one request.

    `tags` are the versions that the response depends on; it is cached only if `cacheable`. `reads_cache` is false if
    the client asked to bypass the cache. Times after `asked_at` are in the future for this request. `pending_events`
    are recorded before the response is sent.
    """

    bank: Bank
    snapshot: ReadSnapshot
    operation: Operation
    caller: Caller | None
    reads_cache: bool
    cacheable: bool
    asked_at: datetime
    tags: dict[str, CacheTag] = field(default_factory=dict)
    pending_events: list[DomainEvent] = field(default_factory=list)

    @property
    def authenticated_caller(self) -> Caller:
        """The caller, in a resolver to which only logged-in users have access."""
        assert self.caller is not None
        return self.caller

    def record_refusal(self, action: str, code: str) -> None:
        """Record a refusal by a resolver. Use cases record their refusals themselves."""
        caller_id = self.caller.user_id if self.caller else None
        self.pending_events.append(
            ActionRefusedEvent(
                action=action, code=code, entity_type="User", entity_id=caller_id, initiated_by=caller_id
            )
        )

    async def decrypt(self, texts: Iterable[str | None], *fields: str) -> PlainTexts:
        """Return the plain text of each stored text, None if its key is destroyed.

        Nothing is decrypted if the operation selects none of `fields` ("Transaction.description").
        """
        if self.operation.fields.isdisjoint(fields):
            return {}
        return await self.bank.cipher.decrypt(texts, self.snapshot.fetch)

    def depends_on(self, tag: CacheTag) -> None:
        """Add a tag to those that the response depends on."""
        self.tags[tag.key] = tag

    @property
    def is_one_account(self) -> bool:
        """Return whether the response contains only values of one account's row, so that it can come from the cache.

        A response with other values would combine the cached account and the database, as of two instants (R11).
        """
        return self.operation.roots == ("account",) and _FROM_THE_DATABASE.isdisjoint(self.operation.fields)
