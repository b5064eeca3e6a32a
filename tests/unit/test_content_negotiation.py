"""The media type of a response."""

import pytest

from bank.api.content_negotiation import LEGACY_JSON, RESPONSE_JSON, choose_media_type


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", LEGACY_JSON),
        ("*/*", LEGACY_JSON),
        ("application/*", LEGACY_JSON),
        (RESPONSE_JSON, RESPONSE_JSON),
        ("Application/GraphQL-Response+JSON ; Charset=UTF-8", RESPONSE_JSON),
        (f"{RESPONSE_JSON}, {LEGACY_JSON}", RESPONSE_JSON),
        (f"{LEGACY_JSON}, {RESPONSE_JSON}", RESPONSE_JSON),
        (f"{RESPONSE_JSON};q=0.5, {LEGACY_JSON}", LEGACY_JSON),
        (f"{RESPONSE_JSON};q=0.5, {LEGACY_JSON};q=0.4", RESPONSE_JSON),
        (f"{RESPONSE_JSON};q=0, {LEGACY_JSON}", LEGACY_JSON),
        (f"{RESPONSE_JSON};q=0, */*", LEGACY_JSON),
        (f"{RESPONSE_JSON}; q=0.000", None),
        (f"{LEGACY_JSON};q=0, */*;q=0.1", RESPONSE_JSON),
        (f"{LEGACY_JSON};q=0", None),
        (f"{LEGACY_JSON};q=0, {RESPONSE_JSON};q=0", None),
        ("*/*;q=0", None),
        ("application/*;q=0, */*", None),
        ("text/html", None),
        ("text/html, */*;q=0.8", LEGACY_JSON),
        (f"{RESPONSE_JSON};q=2", None),
        (f"{RESPONSE_JSON};q=x, {LEGACY_JSON}", LEGACY_JSON),
        (f"{RESPONSE_JSON};charset=utf-16, {LEGACY_JSON}", LEGACY_JSON),
        (f'text/plain;note="a, {RESPONSE_JSON}", {LEGACY_JSON}', LEGACY_JSON),
        (f",, {RESPONSE_JSON},", RESPONSE_JSON),
    ],
)
def test_the_media_type_is_the_preferred_supported_one(accept: str, chosen: str | None) -> None:
    assert choose_media_type(accept) == chosen
