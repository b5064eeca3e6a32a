"""Client connections: the time limits for sending a request and for reading the response, and how a connection ends.

The limits on their number are in `connection_limits.py`.
"""

import asyncio
from contextvars import copy_context
from http import HTTPStatus
from typing import Any

import structlog
from aiohttp import web
from aiohttp.http import RawRequestMessage
from aiohttp.http_exceptions import LineTooLong
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from bank.api.connection_limits import ConnectionLimits, Connections
from bank.api.error_responses import HEADERS, correlation_header, error_body
from bank.api.middleware.client_address import read_address
from bank.background import BackgroundTasks
from bank.errors import BadInput, BankError, Overloaded
from bank.identifiers import uuid7
from bank.telemetry.context import RequestContext, correlation_id, enter_context

logger = structlog.get_logger(__name__)

# From the start of the connection, or the first byte of a later request, to the end of the headers. Headers fit into
# two packets. The body, of 128 KiB at most, has the same time again.
HEAD_SECONDS = 12.0
# Between requests. Longer than the idle time-out of a reverse proxy (60 s is usual), so that the proxy closes first and
# never sends a request into a connection that the bank is closing.
IDLE_SECONDS = 75.0
# For a client that does not read its response, of some hundred KiB at most.
UNSENT_SECONDS = 30.0
# The bank reads on for this time after an error response that it sent before the body had arrived, so that the client
# can read the response before the connection ends.
LINGER_SECONDS = 2.0
# The kernel queues up to 1024 connections, and the event loop accepts 64 in one turn. Up to three turns' worth of
# connections are open before the first of them is counted.
_LISTEN_BACKLOG = 1024
_ACCEPTED_AT_ONCE = 64


class ClientConnection(RequestHandler):
    """aiohttp's protocol of one connection, with time limits, and with errors in the format of the API."""

    __slots__ = ("_connections", "_has_begun_request", "_incomplete_since", "_socket", "_unsent_since", "key")

    def __init__(self, connections: Connections, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._connections = connections
        self._socket: asyncio.Transport | None = None
        self._incomplete_since = 0.0  # 0 while no byte of a next request has arrived
        self._has_begun_request = False
        self._unsent_since = 0.0
        self.key: Any = None

    @property
    def is_idle(self) -> bool:
        """Return whether no request is being read or answered, and none is queued."""
        return self._waiter is not None and not self._waiter.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Accept the connection, or respond with 503 and close it at a limit."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport
        self._incomplete_since = self._loop.time()
        peer = transport.get_extra_info("peername")
        self.key = self._connections.key_of(read_address(peer[0]) if isinstance(peer, tuple) else None)
        if not self._connections.admit(self, self.key):
            self._end_with(503, Overloaded("There are too many connections; try again in a moment."))

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop counting the connection."""
        self._connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse the bytes that have arrived, and note whether the last request is still incomplete."""
        if not data:  # aiohttp calls this to continue parsing
            super().data_received(data)
            return
        request = self._current_request
        body = self._messages[-1][1] if self._messages else request.content if request else None
        before = body.total_bytes if body else 0
        arrived = self._request_count
        super().data_received(data)
        if self.is_idle:
            # For a first request the time counts from the start of the connection, for a later one from here.
            self._has_begun_request, self._incomplete_since = True, self._incomplete_since or self._loop.time()
            return
        if self._request_count != arrived:
            self._connections.mark_used(self)
        # If more of a body or of a next request is to come, the time limit applies once this request is answered.
        self._has_begun_request = False
        self._incomplete_since = 0.0 if self._ends_with_request(data, body, before) else self._loop.time()

    def _ends_with_request(self, data: bytes, body: StreamReader | None, before: int) -> bool:
        """Return whether the last byte that has arrived is the last of a request; False if that is not certain."""
        if self._messages:
            message, last = self._messages[-1]
            if not last.is_eof() or not isinstance(message, RawRequestMessage) or message.chunked:
                return False
            if last is not body:
                size = last.total_bytes
                return data[len(data) - size - 4 : len(data) - size] == b"\r\n\r\n"
        return body is not None and body.is_eof() and body.total_bytes - before == len(data)

    def check_time(self, now: float) -> None:
        """Close the connection if it has exceeded a time limit."""
        assert self._socket is not None
        if not self._socket.get_write_buffer_size():
            self._unsent_since = 0.0
        elif not self._unsent_since:
            self._unsent_since = now
        elif now - self._unsent_since >= UNSENT_SECONDS:
            self._connections.count("timed_out")
            self.abort()
            return
        if self._incomplete_since and self.is_idle and now - self._incomplete_since >= HEAD_SECONDS:
            self._connections.count("timed_out")
            if self._has_begun_request:
                self._end_with(408, BadInput(f"A request's headers have to come within {HEAD_SECONDS:.0f} seconds."))
            else:
                self.force_close()

    def abort(self) -> None:
        """Close the connection at once, and discard the bytes that have not been sent."""
        self.force_close()
        if self._socket is not None:
            self._socket.abort()

    def _end_with(self, status: int, error: BankError) -> None:
        # In a copied context: the caller's context is also used for other connections and log lines.
        copy_context().run(self._write_error, status, error)
        self.force_close()

    def _write_error(self, status: int, error: BankError) -> None:
        enter_context(RequestContext(correlation_id=str(uuid7())))
        body = error_body(error)
        headers = {**HEADERS, "Connection": "close", "Content-Length": str(len(body))}
        if status == 503:
            headers["Retry-After"] = "1"
        head = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **correlation_header()}.items())
        if self._socket is not None:
            self._socket.write(f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n{head}\r\n".encode() + body)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the response to bytes that are not HTTP, or to a handler that failed. The bytes are not logged."""
        del message  # aiohttp's message repeats the bytes of the client
        if request.writer.output_size > 0:
            raise ConnectionError("The response has begun already.")
        if isinstance(exc, ConnectionError):
            raise exc  # the client has closed the connection, which is not an error of the bank
        # Bytes that are not HTTP belong to no request, so the context in which the connection was accepted is replaced.
        if status < 500 or correlation_id() is None:
            enter_context(RequestContext(correlation_id=str(uuid7()), ip_address=request.remote))
        error: BankError = BankError("Internal error")
        if status >= 500:
            logger.error("request_failed", exc_info=exc)
        else:
            is_too_long = isinstance(exc, LineTooLong)
            error = BadInput("A line of the request is too long." if is_too_long else "The request is not HTTP.")
            logger.info("request", operation="refused", status=status, outcome="error", error=error.code)
        response = web.Response(status=status, body=error_body(error), headers={**HEADERS, **correlation_header()})
        response.force_close()
        return response


class ClientSite(web.BaseSite):
    """A listening socket for clients, with limits on its connections."""

    def __init__(self, runner: web.AppRunner, sock: Any, limits: ConnectionLimits) -> None:
        super().__init__(runner, backlog=_ACCEPTED_AT_ONCE)
        self._sock = sock
        self._connections = Connections(limits)
        self._tasks = BackgroundTasks()

    @property
    def name(self) -> str:
        """The site's address, for aiohttp."""
        host, port = self._sock.getsockname()[:2]
        return f"http://{host}:{port}"

    async def start(self) -> None:
        """Listen on the socket, and start the sweep over the connections."""
        await super().start()
        loop, manager = asyncio.get_running_loop(), self._runner.server
        assert manager is not None

        def connect() -> ClientConnection:
            return ClientConnection(
                self._connections,
                manager,
                loop=loop,
                keepalive_timeout=IDLE_SECONDS,
                lingering_time=LINGER_SECONDS,
                access_log=None,
                # `bank.api.compression` decompresses bodies, because it limits their size and reports their errors.
                auto_decompress=False,
            )

        self._server = await loop.create_server(connect, sock=self._sock, backlog=_ACCEPTED_AT_ONCE)
        self._sock.listen(_LISTEN_BACKLOG)
        self._tasks.start("connections", self._connections.loop.run())

    async def stop(self) -> None:
        """Accept no further connections."""
        await super().stop()
        await self._tasks.cancel()
