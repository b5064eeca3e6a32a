"""HTTP/1.1 at its barest: requests with a body, answers with a length, connections that are kept.

A general HTTP client takes 0.7 ms a request of its own at the pace of a simulation, in which no code stays warm
(measured); that would be half of what a cached read is seen to take. This one takes a tenth of it, and reads the clock
as the last byte comes in, not when the event loop gets round to whoever waits for it.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from time import monotonic_ns
from types import MappingProxyType
from urllib.parse import urlsplit

HEAD_MAX_BYTES = 64 * 1024  # no answer's headers are longer; what is, is no HTTP
BODY_MAX_BYTES = 16 * 1024 * 1024  # a hundred times the longest page


class ExchangeError(Exception):
    """No whole answer came back; the message says in a word what happened."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer: status, headers by lower-case name, body, and the time from the first byte out to the last one in."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    took_ns: int


class _Connection(asyncio.Protocol):
    """One connection, with one exchange at a time."""

    def __init__(self) -> None:
        self.closed = False
        self._transport: asyncio.Transport | None = None
        self._answer: asyncio.Future[Answered] | None = None
        self._received = bytearray()
        self._sent_ns = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if isinstance(transport, asyncio.Transport):
            self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed = True
        self._fail("Disconnected" if exc is None else type(exc).__name__)

    def data_received(self, data: bytes) -> None:
        self._received += data
        try:
            answered = self._read(monotonic_ns())
        except (ValueError, IndexError, UnicodeDecodeError):
            self._fail("NoHTTP")
            self.close()
            return
        if answered is not None and self._answer is not None and not self._answer.done():
            self._answer.set_result(answered)

    def _read(self, now_ns: int) -> Answered | None:
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            if len(self._received) > HEAD_MAX_BYTES:
                raise ValueError("no end of the headers")
            return None
        first, *lines = self._received[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers["content-length"]) if "content-length" in headers else -1
        if not 0 <= length <= BODY_MAX_BYTES or not first.startswith("HTTP/1.1 "):
            raise ValueError("an answer without a length")
        if len(self._received) < end + 4 + length:
            return None
        body = bytes(self._received[end + 4 : end + 4 + length])
        self._received.clear()
        if headers.get("connection", "").lower() == "close":
            self.close()
        return Answered(int(first.split(" ", 2)[1]), MappingProxyType(headers), body, now_ns - self._sent_ns)

    @property
    def busy(self) -> bool:
        """Whether an answer is still due."""
        return self._answer is not None and (self._answer.cancelled() or not self._answer.done())

    async def exchange(self, request: bytes) -> Answered:
        """Send a request and return its answer. Raises ExchangeError where none comes."""
        if self.closed or self._transport is None:
            raise ExchangeError("Disconnected")
        self._answer = asyncio.get_running_loop().create_future()
        self._sent_ns = monotonic_ns()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        """Close, whatever is under way."""
        self.closed = True
        if self._transport is not None:
            self._transport.abort()

    def _fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ExchangeError(reason))


class Exchanges:
    """Posts to one server over as many kept connections as there are requests under way."""

    def __init__(self, base_url: str, path: str, *, timeout_s: float) -> None:
        address = urlsplit(base_url)
        self._host, self._port = address.hostname or "127.0.0.1", address.port or 80
        self._line = f"POST {path} HTTP/1.1\r\nHost: {self._host}:{self._port}\r\n".encode("ascii")
        self._timeout_s = timeout_s
        self._idle: list[_Connection] = []
        self._all: set[_Connection] = set()

    async def post(self, headers: bytes, body: bytes) -> Answered:
        """Send `body` with `headers` (lines ending in CR LF). Raises ExchangeError where no whole answer comes back."""
        request = b"%b%bContent-Length: %d\r\n\r\n%b" % (self._line, headers, len(body), body)
        connection: _Connection | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = self._kept() or await self._connected()
                answered = await connection.exchange(request)
        except OSError as error:  # TimeoutError is one of them
            raise ExchangeError(type(error).__name__) from error
        finally:
            if connection is not None:
                self._put_back(connection)
        return answered

    def _kept(self) -> _Connection | None:
        # The last one used first: the others grow old and are closed by the server, as they should be.
        while self._idle:
            connection = self._idle.pop()
            if not connection.closed:
                return connection
            self._all.discard(connection)
        return None

    async def _connected(self) -> _Connection:
        _, connection = await asyncio.get_running_loop().create_connection(_Connection, self._host, self._port)
        self._all.add(connection)
        return connection

    def _put_back(self, connection: _Connection) -> None:
        if connection.busy:
            # Given up in the middle: its answer may still come, and must not be taken for the next one's.
            connection.close()
        if connection.closed:
            self._all.discard(connection)
        else:
            self._idle.append(connection)

    def close(self) -> None:
        """Close every connection."""
        for connection in self._all:
            connection.close()
        self._all.clear()
        self._idle.clear()
