"""Annotations of the fields of events."""

from typing import Any

from msgspec import Meta

CURRENCY = "^[A-Z]{3}$"
SHA_256 = "^[0-9a-f]{64}$"


def described(description: str, **keywords: Any) -> Meta:
    """Return the annotation of a field for its JSON Schema: its description, and keywords that limit its values.

    Only the schema has these limits. Decoding does not check them, because a newer version of the bank may write
    further values in the same event version (decision 0016).
    """
    return Meta(description=description, extra_json_schema=keywords)
