"""The media type of an answer, by what the client accepts (RFC 9110, section 12.5.1)."""

import re
from functools import lru_cache

RESPONSE_JSON = "application/graphql-response+json"
LEGACY_JSON = "application/json"
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)


@lru_cache(maxsize=256)
def choose_media_type(accept: str) -> str | None:
    """Return the type of the answer; None where the client accepts neither.

    GraphQL's own type only where the client names it: others expect a status of 200 with errors.
    """
    if not accept.strip():
        return LEGACY_JSON
    found: dict[str, float] = {}
    for element in _split(accept, ","):
        media_range, *parameters = [part.strip().lower() for part in _split(element, ";")]
        quality = _quality(parameters)
        if media_range and quality is not None:
            found[media_range] = max(quality, found.get(media_range, 0.0)) if quality else found.get(media_range, 0.0)
    named = found.get(RESPONSE_JSON)
    wildcard = found.get("application/*", found.get("*/*", 0.0))
    legacy = found.get(LEGACY_JSON, wildcard)
    modern = wildcard if named is None else named
    if named and named >= legacy:
        return RESPONSE_JSON
    if legacy:
        return LEGACY_JSON
    return RESPONSE_JSON if modern else None


def _quality(parameters: list[str]) -> float | None:
    """Return the weight of a range; None for one that cannot be met or read."""
    weight = 1.0
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        name, value = name.strip(), value.strip().strip('"')
        if name == "q":
            if not _QUALITY.fullmatch(value):
                return None
            weight = float(value)
        elif name == "charset" and value not in {"utf-8", "utf8"}:
            return None
    return weight


def _split(text: str, separator: str) -> list[str]:
    """Split at a separator that does not stand in quotation marks."""
    if '"' not in text:
        return text.split(separator)
    return re.findall(rf'(?:"(?:[^"\\]|\\.)*"|[^"{separator}])+', text) or [""]
