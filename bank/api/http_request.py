"""Reading of an HTTP request: its version, headers and body. Invalid parts raise `InvalidRequestError`."""

import asyncio
import codecs

from aiohttp import HttpVersion11, web
from multidict import MultiMapping

from bank.api.compression import (
    ACCEPTED_ENCODINGS,
    BrokenEncodingError,
    TooLargeError,
    UnknownEncodingError,
    decompress,
)
from bank.api.connections import HEAD_SECONDS
from bank.api.content_negotiation import LEGACY_JSON, RESPONSE_JSON, choose_media_type
from bank.api.error_responses import InvalidRequestError

# Room for a document of 32 KiB, which is its limit, and for three times as many bytes of variables.
BODY_BYTES_MAX = 128 * 1024
# From the end of the headers to the end of the body: the same time as for the headers.
BODY_SECONDS = HEAD_SECONDS


def require_http_1(request: web.Request) -> None:
    """Raise `InvalidRequestError` for another HTTP version or transfer coding.

    A proxy in front may have interpreted such a request differently (request smuggling).
    """
    if request.version > HttpVersion11:
        raise InvalidRequestError("Send the request as HTTP/1.1.", status=505)
    coding = request.headers.get("Transfer-Encoding")
    if coding is not None and coding.strip().lower() != "chunked":
        raise InvalidRequestError("Transfer-Encoding can be chunked, and nothing else.", status=501)


def is_not_plain_utf8(raw: bytes) -> bool:
    """Return whether a body begins with a byte order mark, or is encoded as UTF-16 or UTF-32."""
    return raw.startswith((codecs.BOM_UTF8, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) or b"\0" in raw[:4]


def bypasses_cache(headers: MultiMapping[str]) -> bool:
    """Return whether the client asks for a response that does not come from a cache."""
    return "no-cache" in headers.get("Cache-Control", "").lower()


def response_media_type(request: web.Request) -> str:
    """Return the media type of the response. It is chosen before execution, so that status 406 has no effect."""
    media_type = choose_media_type(",".join(request.headers.getall("Accept", ())))
    if media_type is None:
        raise InvalidRequestError(
            f"The answer can be {RESPONSE_JSON} or {LEGACY_JSON}; Accept has neither.", status=406
        )
    return media_type


async def read_http_body(request: web.Request) -> bytes:
    """Return the decompressed body."""
    too_large = InvalidRequestError(f"A request has at most {BODY_BYTES_MAX} bytes.", status=413)
    try:
        if request.content.is_eof():
            raw = await request.read()
        else:
            async with asyncio.timeout(BODY_SECONDS):
                raw = await request.read()
        encoding = request.headers.get("Content-Encoding")
        return raw if encoding is None else decompress(raw, encoding, max_bytes=BODY_BYTES_MAX)
    except (web.HTTPRequestEntityTooLarge, TooLargeError):
        raise too_large from None
    except TimeoutError:
        message = f"The request's body has to come within {BODY_SECONDS:.0f} seconds."
        raise InvalidRequestError(message, status=408) from None
    except UnknownEncodingError:
        accepted = {"Accept-Encoding": ACCEPTED_ENCODINGS}
        message = f"Content-Encoding can be {ACCEPTED_ENCODINGS}, and only one of them."
        raise InvalidRequestError(message, status=415, headers=accepted) from None
    except BrokenEncodingError:
        raise InvalidRequestError("The body is not what Content-Encoding says.") from None
    except web.RequestPayloadError:
        raise InvalidRequestError("The body is not what the headers say.") from None
