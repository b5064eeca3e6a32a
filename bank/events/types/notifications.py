"""Events about notifications."""

from typing import Annotated
from uuid import UUID

from bank.events.event import DomainEvent
from bank.events.types.field import SHA_256, described


class NotificationTemplateChangedEvent(DomainEvent, frozen=True, kw_only=True, gc=False):
    """A template of a notification has a new version.

    `content_digest` is the SHA-256 of its four parts as a JSON array.
    """

    aggregate_type = "NotificationTemplate"

    template_id: Annotated[UUID, described("The template in this language: a UUID of its name and language.")]
    name: Annotated[str, described("The type of notifications that it is for.")]
    language: Annotated[str, described("The language of its texts (BCP 47).")]
    version: Annotated[int, described("The number of this version; the bank ships with version 0.", minimum=1)]
    content_digest: Annotated[
        str, described("SHA-256 of subject, short, text and html as a JSON array, in hex.", pattern=SHA_256)
    ]
    copied_version: Annotated[
        int | None, described("The earlier version that this one repeats; null for a new text.", minimum=0)
    ]

    @property
    def aggregate_id(self) -> UUID:
        """The template in this language."""
        return self.template_id
