"""Decompression of request bodies."""

import zlib

# The accepted values of `Content-Encoding`, each with the zlib window size for its format: gzip's header, or zlib's
# own. Brotli and Zstandard would need a library each, and a body of 128 KiB needs no better compression.
_FORMATS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
ACCEPTED_ENCODINGS = "gzip, deflate"


class UnknownEncodingError(Exception):
    """The body has a compression that the bank does not support, or several compressions one over the other."""


class BrokenEncodingError(Exception):
    """The body is not valid in its Content-Encoding: it has another format, is cut off, or has further bytes."""


class TooLargeError(Exception):
    """The decompressed body is longer than allowed."""


def decompress(raw: bytes, encoding: str, *, max_bytes: int) -> bytes:
    """Return the decompressed body. Decompression stops after `max_bytes`.

    Raises `UnknownEncodingError`, `BrokenEncodingError`, and `TooLargeError` for more than `max_bytes`.
    """
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return raw
    if name not in _FORMATS:
        raise UnknownEncodingError
    window = _FORMATS[name]
    if name == "deflate" and raw and (raw[0] & 0x0F != 8 or int.from_bytes(raw[:2]) % 31):
        window = -zlib.MAX_WBITS  # some clients send "deflate" without zlib's header
    parts, size = [], 0
    while True:
        engine = zlib.decompressobj(window)
        try:
            part = engine.decompress(raw, max_bytes - size + 1)
        except zlib.error:
            raise BrokenEncodingError from None
        size += len(part)
        parts.append(part)
        if size > max_bytes:
            raise TooLargeError
        if not engine.eof:
            raise BrokenEncodingError
        raw = engine.unused_data
        if not raw:
            return b"".join(parts)
        if name == "deflate":
            raise BrokenEncodingError
        # gzip allows several members in a row. Even an empty member takes 20 of the 128 KiB, so the loop is bounded.
