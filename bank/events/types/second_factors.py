"""Events about second factors: their enrolment and end, and the use of a code."""

from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import SHA_256, described
from bank.events.types.sessions import SessionEvent

CHANGES = ("ENROLLED", "CONFIRMED", "CODES_RENEWED", "DISABLED", "RESET")
TOTP, RECOVERY_CODE = "TOTP", "RECOVERY_CODE"
"""The methods: a code of the authenticator app (RFC 6238), or one of the recovery codes."""

_STATE = "SHA-256 of the second factor as it is stored from now on, in hex; null if the user has none."


class SecondFactorChangedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """The second factor of a user has changed.

    ENROLLED has a secret that is not confirmed yet; CONFIRMED is in use. DISABLED is a wish of the user, RESET an
    action of the bank's operators. The secret cannot be computed from `state_digest`, because it is stored encrypted.
    """

    aggregate_type = "User"

    subject_id: Annotated[UUID, described("The user.")]
    change: Annotated[str, described("The change.", enum=CHANGES)]
    state_digest: Annotated[str | None, described(_STATE, pattern=SHA_256)]
    initiated_by: Annotated[UUID | None, described("The user who made the change; null if it was no user.")]

    @property
    def aggregate_id(self) -> UUID:
        """The user."""
        return self.subject_id


class StepUpLimitChangedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A user has another limit for payments without a fresh second factor, in minor units.

    None is no limit of their own, so that the limit of the bank is valid.
    """

    aggregate_type = "User"

    subject_id: Annotated[UUID, described("The user.")]
    old_above_minor: Annotated[int | None, described("The limit before; null for that of the bank.", minimum=0)]
    above_minor: Annotated[int | None, described("The limit from now on; null for that of the bank.", minimum=0)]
    initiated_by: Annotated[UUID, described("The user who changed it.")]

    @property
    def aggregate_id(self) -> UUID:
        """The user."""
        return self.subject_id


class SecondFactorVerifiedEvent(SessionEvent, frozen=True, kw_only=True, gc=False):
    """A session has proved the second factor of its user with a code, which cannot be used again."""

    method: Annotated[str, described("The kind of the code.", enum=(TOTP, RECOVERY_CODE))]
    state_digest: Annotated[str, described(_STATE, pattern=SHA_256)]
