"""The connection of a client: how long it may take to bring a whole request and to read the answer, and how it ends.

How many there may be is in `connection_limits.py`.
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

# The first byte of a request, or the connection, to the end of its headers: they fit two packets. The same again is for
# the body, which has 128 KiB at most.
HEAD_SECONDS = 12.0
# Between requests, where nothing has come: longer than a reverse proxy keeps its own end (60 s is usual), so that the
# proxy and not the bank closes first and no request is sent into a closing connection.
IDLE_SECONDS = 75.0
# For whoever does not read the answer: some hundred KiB at most.
UNSENT_SECONDS = 30.0
# To read on after a refusal that did not wait for the body, so that the client sees the answer before the end.
LINGER_SECONDS = 2.0
# Connections the kernel holds until they are accepted, and those accepted in one turn of the loop: of these, up to
# three turns' worth are open before the first of them is counted.
_LISTEN_BACKLOG = 1024
_ACCEPTED_AT_ONCE = 64


class ClientConnection(RequestHandler):
    """aiohttp's protocol of one connection, with bounds of time, and with errors in the form of the API's."""

    __slots__ = ("_begun", "_connections", "_incomplete_since", "_socket", "_unsent_since", "key")

    def __init__(self, connections: Connections, manager: web.Server, **options: Any) -> None:
        super().__init__(manager, **options)
        self._connections = connections
        self._socket: asyncio.Transport | None = None
        self._incomplete_since = 0.0  # 0 while nothing of a next request is there
        self._begun = False
        self._unsent_since = 0.0
        self.key: Any = None

    @property
    def waits_for_request(self) -> bool:
        """Return whether no request is being read, answered or waiting to be."""
        return self._waiter is not None and not self._waiter.done()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, unless there are too many."""
        super().connection_made(transport)
        assert isinstance(transport, asyncio.Transport)
        self._socket = transport
        self._incomplete_since = self._loop.time()
        peer = transport.get_extra_info("peername")
        self.key = self._connections.key_of(read_address(peer[0]) if isinstance(peer, tuple) else None)
        if not self._connections.admit(self, self.key):
            self._end_with(503, Overloaded("There are too many connections; try again in a moment."))

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._connections.remove(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take in what has come, and note whether a request is incomplete after it."""
        if not data:  # aiohttp parses on by itself
            super().data_received(data)
            return
        request = self._current_request
        body = self._messages[-1][1] if self._messages else request.content if request else None
        before = body.total_bytes if body else 0
        arrived = self._request_count
        super().data_received(data)
        if self.waits_for_request:
            # Counted from the connection for a first request, and else from here.
            self._begun, self._incomplete_since = True, self._incomplete_since or self._loop.time()
            return
        if self._request_count != arrived:
            self._connections.use(self)
        # After a body that goes on, or the beginning of a next request, time counts once this one is answered.
        self._begun = False
        self._incomplete_since = 0.0 if self._ends_with_request(data, body, before) else self._loop.time()

    def _ends_with_request(self, data: bytes, body: StreamReader | None, before: int) -> bool:
        """Return whether the last byte that came is the last of a request. False where that cannot be told."""
        if self._messages:
            message, last = self._messages[-1]
            if not last.is_eof() or not isinstance(message, RawRequestMessage) or message.chunked:
                return False
            if last is not body:
                size = last.total_bytes
                return data[len(data) - size - 4 : len(data) - size] == b"\r\n\r\n"
        return body is not None and body.is_eof() and body.total_bytes - before == len(data)

    def check_time(self, now: float) -> None:
        """End the connection where its time is up."""
        assert self._socket is not None
        if not self._socket.get_write_buffer_size():
            self._unsent_since = 0.0
        elif not self._unsent_since:
            self._unsent_since = now
        elif now - self._unsent_since >= UNSENT_SECONDS:
            self._connections.count("timed_out")
            self.abort()
            return
        if self._incomplete_since and self.waits_for_request and now - self._incomplete_since >= HEAD_SECONDS:
            self._connections.count("timed_out")
            if self._begun:
                self._end_with(408, BadInput(f"A request's headers have to come within {HEAD_SECONDS:.0f} seconds."))
            else:
                self.force_close()

    def abort(self) -> None:
        """End the connection at once, with what has not been sent."""
        self.force_close()
        if self._socket is not None:
            self._socket.abort()

    def _end_with(self, status: int, error: BankError) -> None:
        # In a context of its own: the caller's goes on to other connections and log lines.
        copy_context().run(self._write_fault, status, error)
        self.force_close()

    def _write_fault(self, status: int, error: BankError) -> None:
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
        """Return the answer to what is no HTTP, or to what broke a handler; what the client sent is not logged."""
        del message  # aiohttp's repeats what the client sent
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun already.")
        if isinstance(exc, ConnectionError):
            raise exc  # the client has left: nobody to answer, nothing of ours is broken
        # What is no HTTP belongs to no request, whatever context the connection was accepted in.
        if status < 500 or correlation_id() is None:
            enter_context(RequestContext(correlation_id=str(uuid7()), ip_address=request.remote))
        error: BankError = BankError("Internal error")
        if status >= 500:
            logger.error("request_broken", exc_info=exc)
        else:
            long = isinstance(exc, LineTooLong)
            error = BadInput("A line of the request is too long." if long else "The request is not HTTP.")
            logger.info("request", operation="refused", status=status, outcome="error", error=error.code)
        response = web.Response(status=status, body=error_body(error), headers={**HEADERS, **correlation_header()})
        response.force_close()
        return response


class ClientSite(web.BaseSite):
    """Listens on a socket for clients, whose connections it bounds."""

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
        """Listen."""
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
                # Bodies are decompressed where their size and their errors are known (`bank.api.compression`).
                auto_decompress=False,
            )

        self._server = await loop.create_server(connect, sock=self._sock, backlog=_ACCEPTED_AT_ONCE)
        self._sock.listen(_LISTEN_BACKLOG)
        self._tasks.start("connections", self._connections.loop.run())

    async def stop(self) -> None:
        """Take no new connections."""
        await super().stop()
        await self._tasks.cancel()
