"""Content negotiation: the media type of a response, chosen by the Accept header (RFC 9110, section 12.5.1)."""

import re
from functools import lru_cache

RESPONSE_JSON = "application/graphql-response+json"
LEGACY_JSON = "application/json"
_QUALITY = re.compile(r"(?:0(?:\.[0-9]{0,3})?|1(?:\.0{0,3})?)", re.ASCII)


@lru_cache(maxsize=256)
def choose_media_type(accept: str) -> str | None:
    """Return the media type of the response, or None if the client accepts neither.

    GraphQL's own type is used only if the client names it, because other clients expect status 200 even with errors.
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
    """Return the weight of a media range; None for a range that is invalid or that no response matches."""
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
    """Split a text at each separator outside of quotation marks."""
    if '"' not in text:
        return text.split(separator)
    return re.findall(rf'(?:"(?:[^"\\]|\\.)*"|[^"{separator}])+', text) or [""]
