"""Receiving a request over HTTP: its version, headers and body, and what is wrong with them."""

import asyncio
import codecs
import re
from collections.abc import Mapping

from aiohttp import HttpVersion11, web
from multidict import MultiMapping

from bank.api.accept import LEGACY_JSON, RESPONSE_JSON, choose_media_type
from bank.api.compression import (
    ACCEPTED_ENCODINGS,
    BrokenEncodingError,
    TooLargeError,
    UnknownEncodingError,
    decompress,
)
from bank.api.connections import HEAD_SECONDS
from bank.identifiers import uuid7

# A document of 32 KiB, its variables, and room.
BODY_BYTES_MAX = 128 * 1024
# From the end of the headers to that of the body: as long as the headers may take.
BODY_SECONDS = HEAD_SECONDS
# As long as two UUIDs; printable, so that nothing strange gets into a log line.
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,80}")


class MalformedRequest(Exception):
    """A request that no operation is run for; what the client is told, with which status and headers."""

    def __init__(self, sentence: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.status = status
        self.headers = headers or {}


def require_http_1(request: web.Request) -> None:
    """Raise `MalformedRequest` for what a proxy in front may have read otherwise: another version or body coding."""
    if request.version > HttpVersion11:
        raise MalformedRequest("Send the request as HTTP/1.1.", status=505)
    coding = request.headers.get("Transfer-Encoding")
    if coding is not None and coding.strip().lower() != "chunked":
        raise MalformedRequest("Transfer-Encoding can be chunked, and nothing else.", status=501)


def header_text(header: str) -> str:
    """Return a header that can be stored: bytes that are not UTF-8 come as lone surrogates, which no column takes."""
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_marked(raw: bytes) -> bool:
    """Return whether a body begins as texts of Windows and .NET do: with a mark, or in units of two or four bytes."""
    return raw.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:4]


def bearer_token(headers: MultiMapping[str]) -> str | None:
    """Return the access token that a request brings, or None."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def reads_past_cache(headers: MultiMapping[str]) -> bool:
    """Return whether the client asks for an answer that no cache has given."""
    return "no-cache" in headers.get("Cache-Control", "").lower()


def correlation_id_of(request: web.BaseRequest) -> str:
    """Return the correlation id that a request brings, or a new one where it brings none that can be written down."""
    given = request.headers.get("X-Correlation-ID", "")
    return given if _CORRELATION_ID.fullmatch(given) else str(uuid7())


def media_type_of(request: web.Request) -> str:
    """Return the type of the answer, which has to be known before anything is done."""
    media_type = choose_media_type(",".join(request.headers.getall("Accept", ())))
    if media_type is None:
        raise MalformedRequest(f"The answer can be {RESPONSE_JSON} or {LEGACY_JSON}; Accept has neither.", status=406)
    return media_type


async def read_request(request: web.Request) -> bytes:
    """Return the body, decompressed."""
    too_large = MalformedRequest(f"A request has at most {BODY_BYTES_MAX} bytes.", status=413)
    try:
        if request.content.is_eof():
            raw = await request.read()
        else:
            async with asyncio.timeout(BODY_SECONDS):
                raw = await request.read()
        encoding = request.headers.get("Content-Encoding")
        return raw if encoding is None else decompress(raw, encoding, most=BODY_BYTES_MAX)
    except (web.HTTPRequestEntityTooLarge, TooLargeError):
        raise too_large from None
    except TimeoutError:
        sentence = f"The request's body has to come within {BODY_SECONDS:.0f} seconds."
        raise MalformedRequest(sentence, status=408) from None
    except UnknownEncodingError:
        accepted = {"Accept-Encoding": ACCEPTED_ENCODINGS}
        sentence = f"Content-Encoding can be {ACCEPTED_ENCODINGS}, and only one of them."
        raise MalformedRequest(sentence, status=415, headers=accepted) from None
    except BrokenEncodingError:
        raise MalformedRequest("The body is not what Content-Encoding says.") from None
    except web.RequestPayloadError:
        raise MalformedRequest("The body is not what the headers say.") from None
