"""Events about approvals: what a member of staff asked for, and what another one decided."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import CURRENCY, described

KINDS = ("DEPOSIT", "WITHDRAWAL", "REVERSAL", "ACCOUNT_LIMITS", "ROLE")
MONEY_KINDS = ("DEPOSIT", "WITHDRAWAL", "REVERSAL")


class ApprovalEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The base class of events about an approval. The account or the user is the one that the request is about."""

    aggregate_type = "Approval"

    approval_id: Annotated[UUID, described("The approval.")]
    kind: Annotated[str, described("What was asked for.", enum=KINDS)]
    account_id: Annotated[UUID | None, described("The account that it is about; null for a change of a role.")]
    subject_id: Annotated[UUID | None, described("The user whose role is to change; null for other requests.")]

    @property
    def aggregate_id(self) -> UUID:
        """The approval."""
        return self.approval_id


class ApprovalRequestedEvent(ApprovalEvent, frozen=True, kw_only=True, gc=False):
    """A member of staff has asked for something that another one has to approve. Nothing is done yet.

    The description is encrypted. Limits are in minor units; null is the limit of the bank.
    """

    expires_at: Annotated[datetime, described("When the request expires, unless it is decided before.")]
    initiated_by: Annotated[UUID, described("The member of staff who asked.")]
    original_id: Annotated[UUID | None, described("The transaction to reverse.")] = None
    amount_minor: Annotated[int | None, described("The amount to move, in minor units.", minimum=1)] = None
    currency: Annotated[str | None, described("ISO 4217 code of the amount.", pattern=CURRENCY)] = None
    description: Annotated[str | None, described("The description of the posting, or the reason of a reversal.")] = None
    transfer_limit_minor: Annotated[int | None, described("The new limit per transfer.", minimum=0)] = None
    daily_limit_minor: Annotated[int | None, described("The new limit per day.", minimum=0)] = None
    old_transfer_limit_minor: Annotated[int | None, described("The limit per transfer at the request.", minimum=0)] = (
        None
    )
    old_daily_limit_minor: Annotated[int | None, described("The limit per day at the request.", minimum=0)] = None
    role: Annotated[str | None, described("The new role.", pattern="^[A-Z]+$")] = None
    old_role: Annotated[str | None, described("The role at the request.", pattern="^[A-Z]+$")] = None


class ApprovalApprovedEvent(ApprovalEvent, frozen=True, kw_only=True, gc=False):
    """Another member of staff has approved a request, and it was executed at once.

    If a rule of the bank forbade it at this time, nothing was done, and `refusal_code` and `refusal_message` say why.
    """

    requested_by: Annotated[UUID, described("The member of staff who asked.")]
    initiated_by: Annotated[UUID, described("The member of staff who approved.")]
    transaction_id: Annotated[UUID | None, described("The transaction that moved the money.")] = None
    refusal_code: Annotated[
        str | None, described("Why it was refused at the execution; null if it was done.", pattern=r"^[A-Z_]+$")
    ] = None
    refusal_message: Annotated[str | None, described("The same in one sentence.")] = None


class ApprovalRejectedEvent(ApprovalEvent, frozen=True, kw_only=True, gc=False):
    """Another member of staff has rejected a request. `reason` is staff's words, encrypted."""

    requested_by: Annotated[UUID, described("The member of staff who asked.")]
    initiated_by: Annotated[UUID, described("The member of staff who rejected it.")]
    reason: Annotated[str, described("Why, in the words of staff.")]


class ApprovalExpiredEvent(ApprovalEvent, frozen=True, kw_only=True, gc=False):
    """Nobody has decided a request in time; it cannot be approved any more."""

    requested_by: Annotated[UUID, described("The member of staff who asked.")]
