"""What one request may use: who asks, the instant it reads, what its answer is made from."""

from dataclasses import dataclass, field
from datetime import datetime

from bank.app import Bank
from bank.cache.values import Tag
from bank.database.snapshot import ReadSnapshot
from bank.errors import Forbidden, Unauthenticated
from bank.events.event import DomainEvent
from bank.events.model import ActionRefusedEvent
from bank.graphql.validation.validator import Operation
from bank.identity.tokens import Caller

# What an account's own row does not say.
_FROM_THE_DATABASE = frozenset({"Account.transactions", "Account.holds", "Account.balanceAt", "Account.statement"})
# What must not change afterwards.
OF_THE_PAST = frozenset({"Account.balanceAt", "Account.statement"})


@dataclass(slots=True)
class RequestScope:
    """Handed to every resolver of one request.

    `tags` collect what the answer hangs on; an answer is only cached while `cacheable`. `reads_cache` is false where
    the client asked to go past the cache. What is later than `asked_at` is the future to this request. `told` are
    events that are recorded before the answer leaves.
    """

    bank: Bank
    snapshot: ReadSnapshot
    operation: Operation
    caller: Caller | None
    reads_cache: bool
    cacheable: bool
    asked_at: datetime
    tags: dict[str, Tag] = field(default_factory=dict)
    told: list[DomainEvent] = field(default_factory=list)

    def require_caller(self) -> Caller:
        """Return who is asking. Raises `Unauthenticated` where nobody has logged in."""
        if self.caller is None:
            raise Unauthenticated("Log in first, and send the access token as `Authorization: Bearer …`.")
        return self.caller

    def require_staff(self) -> Caller:
        """Return who is asking. Raises `Forbidden` for customers."""
        caller = self.require_caller()
        if not caller.is_staff:
            raise Forbidden("Only operators and administrators may do this.")
        return caller

    def require_admin(self) -> Caller:
        """Return who is asking. Raises `Forbidden` for everybody but administrators."""
        caller = self.require_caller()
        if caller.role != "ADMIN":
            raise Forbidden("Only administrators may do this.")
        return caller

    def refused(self, action: str, code: str) -> None:
        """Note that something was refused before any use case was asked; those record their refusals themselves."""
        caller_id = self.caller.user_id if self.caller else None
        self.told.append(
            ActionRefusedEvent(
                action=action, code=code, entity_type="User", entity_id=caller_id, initiated_by=caller_id
            )
        )

    def made_from(self, tag: Tag) -> None:
        """Note what the answer hangs on."""
        self.tags[tag.key] = tag

    @property
    def is_one_account(self) -> bool:
        """Whether the answer consists of a single account's own values, so that the cached account will do.

        With anything else in the answer, two sources could be from two instants (rule 11).
        """
        return self.operation.roots == ("account",) and _FROM_THE_DATABASE.isdisjoint(self.operation.fields)
