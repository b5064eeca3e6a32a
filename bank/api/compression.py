"""Decompressing the body of a request."""

import zlib

# What `Content-Encoding` may say, and which header zlib is to look for: gzip's, or its own. Brotli and Zstandard would
# need a library each, and a body of 128 KiB needs no better compression.
_FORMATS = {"gzip": zlib.MAX_WBITS | 16, "x-gzip": zlib.MAX_WBITS | 16, "deflate": zlib.MAX_WBITS}
ACCEPTED_ENCODINGS = "gzip, deflate"


class UnknownEncodingError(Exception):
    """A compression that the bank does not know, or several one over the other."""


class BrokenEncodingError(Exception):
    """The body is not what its Content-Encoding says: no such format, cut off, or followed by something else."""


class TooLargeError(Exception):
    """The body has more than the bytes allowed once it is decompressed."""


def decompress(raw: bytes, encoding: str, *, most: int) -> bytes:
    """Return the body as it was before compression, of at most `most` bytes; no more is ever decompressed."""
    name = encoding.strip().lower()
    if name in {"", "identity"}:
        return raw
    if name not in _FORMATS:
        raise UnknownEncodingError
    window = _FORMATS[name]
    if name == "deflate" and raw and (raw[0] & 0x0F != 8 or int.from_bytes(raw[:2]) % 31):
        window = -zlib.MAX_WBITS  # without zlib's header, as some clients understand "deflate"
    parts, size = [], 0
    while True:
        engine = zlib.decompressobj(window)
        try:
            part = engine.decompress(raw, most - size + 1)
        except zlib.error:
            raise BrokenEncodingError from None
        size += len(part)
        parts.append(part)
        if size > most:
            raise TooLargeError
        if not engine.eof:
            raise BrokenEncodingError
        raw = engine.unused_data
        if not raw:
            return b"".join(parts)
        if name == "deflate":
            raise BrokenEncodingError
        # gzip allows several members, one after the other; each empty one takes 20 bytes of the 128 KiB.
