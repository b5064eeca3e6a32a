"""The description of an event's field beyond its type."""

from typing import Any

from msgspec import Meta

CURRENCY = "^[A-Z]{3}$"
SHA_256 = "^[0-9a-f]{64}$"


def described(description: str, **keywords: Any) -> Meta:
    """Return what the JSON Schema says of a field beside its type: its meaning, and keywords that bound its values.

    The bounds are for the schema alone. Whoever decodes an event does not check them, because a newer bank may write
    more values under the same version (decision 0016).
    """
    return Meta(description=description, extra_json_schema=keywords)
