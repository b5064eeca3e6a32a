"""The event about suspicious activity."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import CURRENCY, described

ACCOUNT, NETWORK, USER = "Account", "Network", "User"
"""The types of subjects: an account, the network of requests, a user."""


class SuspiciousActivityDetectedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A rule has found suspicious activity of an account, a user or a network. Nothing was refused or changed.

    A rule finds the same subject once in a period. `person_id` is the customer who is concerned, None for a network.
    The id of a network is made from a keyed digest, so that equal networks can be recognised, but not be found out
    without the master key; its address is in the metadata.
    """

    aggregate_types = (ACCOUNT, NETWORK, USER)

    rule: Annotated[str, described("The rule in contracts/suspicious_activity.toml.")]
    subject_type: Annotated[str, described("The type of the subject.", enum=(ACCOUNT, NETWORK, USER))]
    subject_id: Annotated[UUID, described("The subject.")]
    person_id: Annotated[UUID | None, described("The customer who is concerned; null for a network.")]
    period_begins_at: Annotated[datetime, described("The begin of the period in which the rule finds this once.")]
    count: Annotated[int, described("The number of accounts, registrations or payments that were found.", minimum=1)]
    amount_minor: Annotated[
        int | None, described("The sum of the payments, in minor units; null without payments.", minimum=1)
    ]
    currency: Annotated[str | None, described("ISO 4217 code; null without payments.", pattern=CURRENCY)]
    positions: Annotated[tuple[int, ...], described("The positions in the log of the last events that were found.")]
    transaction_ids: Annotated[tuple[UUID, ...], described("The last payments that were found.")]

    @property
    def aggregate_type(self) -> str:
        """The type of the subject."""
        return self.subject_type

    @property
    def aggregate_id(self) -> UUID:
        """The subject."""
        return self.subject_id

    @property
    def user_id(self) -> UUID | None:
        """The customer who is concerned; the person behind the activity may be another one."""
        return self.person_id
