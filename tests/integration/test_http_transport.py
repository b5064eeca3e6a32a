"""HTTP below GraphQL, over real sockets: time, connections, methods, headers, compression, what is not HTTP."""

import asyncio
import contextlib
import gzip
import json
import re
import socket
import zlib
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web
from graphql import get_introspection_query

from bank.api import connection_limits, connections, http_request
from bank.api.connection_limits import ConnectionLimits, Connections
from bank.api.connections import ClientConnection
from bank.errors import BadInput
from bank.telemetry import metrics
from bank.telemetry.context import RequestContext, correlation_id, enter_context
from tests.integration.api import RunningBank, serving, settings_for


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _deflated(data: bytes, *, bare: bool = False) -> bytes:
    engine = zlib.compressobj(wbits=-15 if bare else 15)
    return engine.compress(data) + engine.flush()


BODY = json.dumps({"query": "{ __typename }"}).encode()
POST = b"POST /graphql HTTP/1.1\r\nHost: bank\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
    BODY
)
ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "bank"}


class Wire:
    """One TCP connection, by hand."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def open(cls, bank: RunningBank, sent: bytes = b"", *, source: str = "127.0.0.1") -> "Wire":
        port = int(bank.client.url.rpartition(":")[2])
        wire = cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)))
        await wire.send(sent)
        return wire

    async def send(self, sent: bytes) -> None:
        self._writer.write(sent)
        await self._writer.drain()

    async def drip(self, sent: bytes, pause_s: float) -> None:
        for byte in sent:
            await self.send(bytes([byte]))
            await asyncio.sleep(pause_s)

    async def until_closed(self) -> bytes:
        answer = b""
        async with asyncio.timeout(10):
            try:
                # What came before a reset counts.
                while some := await self._reader.read(65_536):
                    answer += some
            except ConnectionError:
                pass
            finally:
                self._writer.close()
        return answer

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        async with asyncio.timeout(10):
            status, headers = read_head(await self._reader.readuntil(b"\r\n\r\n"))
            return status, headers, await self._reader.readexactly(int(headers.get("Content-Length", 0)))

    async def close(self) -> None:
        self._writer.close()


def read_head(head: bytes) -> tuple[int, dict[str, str]]:
    first, *lines = head.decode().strip().split("\r\n")
    return int(first.split()[1]), dict(line.split(": ", 1) for line in lines)


def read_all(answer: bytes) -> tuple[int, dict[str, str], Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    status, headers = read_head(head)
    return status, headers, json.loads(body)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds become tenths."""
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)
    monkeypatch.setattr(connection_limits, "_SWEEP_SECONDS", 0.05)
    monkeypatch.setattr(http_request, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(connections, "LINGER_SECONDS", 0.1)


@pytest.fixture
async def small_bank(database_url: str, redis_url: str, impatient: None) -> AsyncIterator[RunningBank]:
    """A bank with room for twelve connections, six from one address."""
    async with serving(settings_for(database_url, redis_url), connections_max=12) as bank:
        yield bank


def test_a_request_has_ten_to_twenty_seconds_for_each_of_its_parts() -> None:
    assert 10 <= connections.HEAD_SECONDS + connection_limits._SWEEP_SECONDS <= 20
    assert 10 <= http_request.BODY_SECONDS + connections.LINGER_SECONDS <= 20


def test_an_answer_has_half_a_minute_to_be_read() -> None:
    assert connections.UNSENT_SECONDS == 30


HALF = [
    (b"", None),
    (b"POST /gra", 408),
    (b"POST /graphql HTTP/1.1\r\nHost: ba", 408),
    (b"POST /graphql HTTP/1.1\r\nHost: bank\r\n", 408),
    (POST, 408),
    (POST + BODY[:5], 408),
    (POST.replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked") + b"5\r\n" + BODY[:5], 408),
]


async def test_what_stays_half_is_closed(small_bank: RunningBank) -> None:
    for sent, status in HALF:
        answer = await (await Wire.open(small_bank, sent)).until_closed()
        if status is None:
            assert answer == b""
            continue
        found, headers, body = read_all(answer)
        assert (found, headers["Connection"], body["errors"][0]["extensions"]["code"]) == (status, "close", "BAD_INPUT")
        assert headers["X-Correlation-ID"] == body["errors"][0]["extensions"]["correlationId"]
        assert ALWAYS.items() <= headers.items()


@pytest.mark.parametrize("whole", [0, len(POST)])
async def test_what_drips_is_closed_too_as_the_time_is_for_all_of_it(small_bank: RunningBank, whole: int) -> None:
    wire = await Wire.open(small_bank, (POST + BODY)[:whole])
    dripping = asyncio.create_task(wire.drip((POST + BODY)[whole:], 0.1))
    assert read_all(await wire.until_closed())[0] == 408
    dripping.cancel()
    with pytest.raises((asyncio.CancelledError, ConnectionError)):
        await dripping


@pytest.mark.parametrize("next_request", [b"", b"POST /graphql HTT", POST[:-2]])
@pytest.mark.parametrize("together", [True, False])
async def test_an_idle_connection_is_kept_and_half_a_next_request_is_not(
    small_bank: RunningBank, next_request: bytes, together: bool
) -> None:
    wire = await Wire.open(small_bank, POST + BODY + (next_request if together else b""))
    assert (await wire.answer())[0] == 200
    if not together:
        await wire.send(next_request)
    if next_request:
        await wire.until_closed()
    else:
        await asyncio.sleep(1.0)
        await wire.send(POST + BODY)
        assert (await wire.answer())[0] == 200
        await wire.close()


@pytest.mark.parametrize("cut", [10, len(POST) - 1, len(POST), len(POST) + 5])
async def test_a_connection_that_sent_its_request_in_two_parts_is_kept_as_well(
    small_bank: RunningBank, cut: int
) -> None:
    wire = await Wire.open(small_bank)
    for _ in range(2):
        await wire.send((POST + BODY)[:cut])
        await asyncio.sleep(0.05)
        await wire.send((POST + BODY)[cut:])
        assert (await wire.answer())[0] == 200
    if cut >= len(POST):
        await asyncio.sleep(0.8)
        await wire.send(POST + BODY)
        assert (await wire.answer())[0] == 200
    await wire.close()


async def test_one_address_with_too_many_idle_connections_keeps_nobody_out(small_bank: RunningBank) -> None:
    used = await Wire.open(small_bank, POST + BODY)
    assert (await used.answer())[0] == 200
    idle = [await Wire.open(small_bank) for _ in range(30)]
    for source in ("127.0.0.1", "127.0.0.2"):
        wire = await Wire.open(small_bank, POST + BODY, source=source)
        assert (await wire.answer())[0] == 200
        await wire.close()
    # Who has already sent a request stays, the oldest of the others give way.
    await used.send(POST + BODY)
    assert (await used.answer())[0] == 200
    assert await idle[0].until_closed() == b""
    for wire in [used, *idle]:
        await wire.close()


async def test_many_addresses_with_idle_connections_keep_nobody_out(small_bank: RunningBank) -> None:
    idle = [await Wire.open(small_bank, source=f"127.0.0.{10 + number}") for number in range(30)]
    wire = await Wire.open(small_bank, POST + BODY)
    assert (await wire.answer())[0] == 200
    for other in [wire, *idle]:
        await other.close()


async def test_where_all_connections_are_busy_a_new_one_is_told_to_come_again(small_bank: RunningBank) -> None:
    busy = [await Wire.open(small_bank, POST + BODY[:5]) for _ in range(6)]
    async with asyncio.timeout(5):
        while True:
            status, headers, body = read_all(
                await (await Wire.open(small_bank)).until_closed() or b"HTTP/1.1 0\r\n\r\n0"
            )
            if status:
                break
    assert (status, headers["Retry-After"]) == (503, "1")
    assert body["errors"][0]["extensions"]["code"] == "OVERLOADED"
    other = await Wire.open(small_bank, POST + BODY, source="127.0.0.2")
    assert (await other.answer())[0] == 200
    for wire in [other, *busy]:
        await wire.close()


async def _send(bank: RunningBank, method: str, path: str, **more: Any) -> tuple[int, Any, bytes]:
    async with bank.client.http.request(method, f"{bank.client.url}{path}", **more) as response:
        return response.status, response.headers, await response.read()


PATHS = [
    ("GET", "/", 404),
    ("GET", "/graphql/", 404),
    ("GET", "/GraphQL", 404),
    ("POST", "/elsewhere", 404),
    ("PUT", "/graphql", 405),
    ("DELETE", "/health/live", 405),
    ("POST", "/metrics", 405),
    ("OPTIONS", "/graphql", 204),
    ("OPTIONS", "/elsewhere", 404),
    ("GET", "/graphql", 400),
    ("POST", "/graphql", 415),
    ("GET", "/graphql?query={__typename}", 200),
    ("HEAD", "/graphql?query={__typename}", 200),
    ("GET", "/health/live", 200),
    ("HEAD", "/health/live", 200),
    ("GET", "/health/ready", 200),
    ("HEAD", "/health/ready", 200),
    ("GET", "/metrics", 200),
    ("HEAD", "/metrics", 200),
]


async def test_every_answer_has_the_headers_that_all_have(running_bank: RunningBank) -> None:
    for method, path, status in PATHS:
        given = {"X-Correlation-ID": "mine-1"}
        found, headers, body = await _send(running_bank, method, path, headers=given)
        assert found == status
        assert {**ALWAYS, **given}.items() <= dict(headers).items()
        if method == "HEAD":
            assert body == b""
            assert int(headers["Content-Length"]) > 0
        if status == 405 or (method == "OPTIONS" and path == "/graphql"):
            assert set(headers["Allow"].split(", ")) >= {"GET", "HEAD", "OPTIONS"}
        if status == 404:
            assert "the API is at /graphql" in json.loads(body)["errors"][0]["message"]


NO_HTTP = [
    b"\x16\x03\x01\x02\x00\x01",
    b"secret-password\r\n\r\n",
    b"GET /graphql HTTP/9.9\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: bank\r\nAuthorization: Bearer \x00secret\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: bank\r\nContent-Length: x\r\n\r\n",
    b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: bank\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: bank\r\nX: " + b"a" * 20_000 + b"\r\n\r\n",
    POST.replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked") + b"xyz\r\n",
]


async def test_what_is_no_http_is_answered_400_and_repeated_nowhere(
    running_bank: RunningBank, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    for sent in NO_HTTP:
        wire = await Wire.open(running_bank, sent)
        status, headers, body = await wire.answer()
        assert (status, json.loads(body)["errors"][0]["extensions"]["code"]) == (400, "BAD_INPUT")
        assert ALWAYS.items() <= headers.items()
        assert re.fullmatch("[0-9a-f-]{36}", headers["X-Correlation-ID"])
        assert not caplog.records
        assert "secret" not in body.decode() + "".join(capsys.readouterr())
        await wire.close()


async def test_what_is_no_http_belongs_to_no_earlier_request(running_bank: RunningBank) -> None:
    wire = await Wire.open(running_bank, POST.replace(b"Host: bank", b"Host: bank\r\nX-Correlation-ID: first") + BODY)
    status, headers, _ = await wire.answer()
    assert (status, headers["X-Correlation-ID"]) == (200, "first")
    await wire.send(b"secret-password\r\n\r\n")
    status, headers, _ = await wire.answer()
    assert status == 400
    assert re.fullmatch("[0-9a-f-]{36}", headers["X-Correlation-ID"])
    await wire.close()


async def test_an_error_that_ends_a_connection_leaves_its_context_behind() -> None:
    enter_context(RequestContext("started-in"))
    connection = _connection()
    sent: list[bytes] = []
    connection._socket = SimpleNamespace(write=sent.append)  # type: ignore[assignment]
    connection._end_with(408, BadInput("Too late."))
    assert sent[0].startswith(b"HTTP/1.1 408 ")
    assert b"started-in" not in sent[0]
    assert correlation_id() == "started-in"


async def test_what_is_no_http_has_an_id_of_its_own_in_a_server_started_within_a_context() -> None:
    enter_context(RequestContext("started-in"))
    connection = _connection()
    request = SimpleNamespace(writer=SimpleNamespace(output_size=0), remote=None)
    answer = connection.handle_error(request, 400)  # type: ignore[arg-type]
    assert answer.headers["X-Correlation-ID"] != "started-in"


def _connection() -> ClientConnection:
    async def serve(request: web.BaseRequest) -> web.StreamResponse:
        raise AssertionError(f"{request} was served")

    loop = asyncio.get_running_loop()
    return ClientConnection(Connections(ConnectionLimits()), web.Server(serve), loop=loop)


ENCODED = [
    ("gzip", _gzip(BODY), 200),
    ("X-GZIP", _gzip(BODY), 200),
    ("gzip", _gzip(BODY[:4]) + _gzip(BODY[4:]), 200),
    ("deflate", _deflated(BODY), 200),
    ("deflate", _deflated(BODY, bare=True), 200),
    ("identity", BODY, 200),
    ("gzip", b"not gzip", 400),
    ("gzip", b"", 400),
    ("gzip", _gzip(BODY)[:-3], 400),
    ("gzip", _gzip(BODY) + b"more", 400),
    ("gzip", _gzip(BODY)[:-8] + b"\0" * 8, 400),
    ("deflate", b"not deflate", 400),
    ("deflate", _deflated(BODY)[:-2], 400),
    ("deflate", _deflated(BODY) + b"more", 400),
    ("gzip", _gzip(b" " * 10_000_000 + BODY), 413),
    ("gzip", _gzip(b" " * 1_000) * 200, 413),
    ("deflate", _deflated(b" " * 10_000_000 + BODY), 413),
    ("br", BODY, 415),
    ("zstd", BODY, 415),
    ("nonsense", BODY, 415),
    ("gzip, gzip", _gzip(_gzip(BODY)), 415),
]


async def test_a_body_is_what_its_content_encoding_says_or_refused(running_bank: RunningBank) -> None:
    for encoding, sent, status in ENCODED:
        headers = {"Content-Type": "application/json", "Content-Encoding": encoding}
        found, answered, body = await _send(running_bank, "POST", "/graphql", data=sent, headers=headers)
        assert found == status
        if status == 200:
            assert json.loads(body) == {"data": {"__typename": "Query"}}
        else:
            assert json.loads(body)["errors"][0]["extensions"]["code"] == "BAD_INPUT"
        if status == 415:
            assert answered["Accept-Encoding"] == "gzip, deflate"


ACCEPTED = [
    (None, "application/json"),
    ("*/*", "application/json"),
    ("application/graphql-response+json", "application/graphql-response+json"),
    ("application/json, application/graphql-response+json;q=0", "application/json"),
    ("application/json;q=0", None),
    ("text/html", None),
    ("*/*;q=0", None),
]


async def test_an_answer_has_a_type_that_the_client_accepts_and_nothing_is_done_where_there_is_none(
    running_bank: RunningBank,
) -> None:
    for accept, found in ACCEPTED:
        # aiohttp's client would send */* by itself.
        line = f"Accept: {accept}\r\n".encode() if accept is not None else b""
        wire = await Wire.open(running_bank, POST.replace(b"Host: bank\r\n", b"Host: bank\r\n" + line) + BODY)
        status, headers, _ = await wire.answer()
        assert status == (406 if found is None else 200)
        assert headers["Content-Type"].partition(";")[0] == (found or "application/json")
        await wire.close()


async def test_401_says_how_to_log_in(running_bank: RunningBank) -> None:
    reply = await running_bank.client.send("{ me { id } }")
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="bank"')
    reply = await running_bank.client.send("{ me { id } }", headers={"Authorization": "Bearer nonsense"})
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="bank", error="invalid_token"')


async def test_metrics_are_for_this_machine_and_not_for_whom_a_proxy_brings(running_bank: RunningBank) -> None:
    assert (await _send(running_bank, "GET", "/metrics"))[0] == 200
    assert (await _send(running_bank, "GET", "/metrics", headers={"X-Forwarded-For": "203.0.113.7"}))[0] == 404


async def test_a_client_that_leaves_in_the_middle_of_its_body_is_no_error(
    running_bank: RunningBank, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await Wire.open(running_bank, POST + BODY[:5])
    await asyncio.sleep(0.05)
    await wire.close()
    assert (await running_bank.client.send("{ __typename }")).status == 200
    assert not caplog.records


async def test_an_answer_that_is_not_read_is_dropped_and_its_memory_with_it(
    small_bank: RunningBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "UNSENT_SECONDS", 0.5)
    question = json.dumps({"query": get_introspection_query()}).encode()
    request = POST.replace(b"Content-Length: %d" % len(BODY), b"Content-Length: %d" % len(question)) + question
    # One after the other, all of them together are more than the buffers of both sockets take.
    asked = 80
    loop, timed_out = asyncio.get_running_loop(), metrics.CONNECTIONS_CLOSED.labels("timed_out")._value
    before = timed_out.get()
    with socket.socket() as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
        deaf.setblocking(False)
        await loop.sock_connect(deaf, ("127.0.0.1", int(small_bank.client.url.rpartition(":")[2])))
        asking = asyncio.create_task(loop.sock_sendall(deaf, request * asked))
        async with asyncio.timeout(20):
            while timed_out.get() == before:
                # Others are served meanwhile.
                other = await Wire.open(small_bank, POST + BODY)
                assert (await other.answer())[0] == 200
                await other.close()
        asking.cancel()
        # The connection has ended, in the middle of an answer.
        received = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while some := await loop.sock_recv(deaf, 1_000_000):
                    received += some
        assert 0 < received.count(b"HTTP/1.1 200 OK") < asked


@pytest.mark.parametrize(
    ("sent", "status", "message"),
    [
        (b"CONNECT bank:443 HTTP/1.1\r\nHost: bank\r\n\r\n", 404, "There is nothing at this target"),
        (b"OPTIONS * HTTP/1.1\r\nHost: bank\r\n\r\n", 404, "There is nothing at this target"),
        (POST.replace(b"Host", b"Expect: <b>\r\nHost") + BODY, 417, "Expect can be 100-continue."),
        (b"GET /nowhere HTTP/1.1\r\nExpect: <b>\r\nHost: bank\r\n\r\n", 417, "Expect can be 100-continue."),
        (POST.replace(b"HTTP/1.1", b"HTTP/2.0") + BODY, 505, "Send the request as HTTP/1.1."),
        (
            POST.replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: gzip, chunked")
            + b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY),
            501,
            "Transfer-Encoding can be chunked, and nothing else.",
        ),
    ],
)  # fmt: skip
async def test_what_is_refused_before_any_handler_has_the_form_of_the_apis_errors(
    small_bank: RunningBank, sent: bytes, status: int, message: str
) -> None:
    wire = await Wire.open(small_bank, sent)
    found, headers, body = await wire.answer()
    await wire.close()
    [error] = json.loads(body)["errors"]
    assert (found, error["extensions"]["code"]) == (status, "BAD_INPUT")
    assert error["message"].startswith(message)
    assert b"<b>" not in body
    assert headers["Content-Type"] == "application/json; charset=utf-8"
    assert headers["X-Correlation-ID"] == error["extensions"]["correlationId"]
    assert ALWAYS.items() <= headers.items()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"])
async def test_a_body_in_another_encoding_is_told_apart_from_what_is_no_json(
    small_bank: RunningBank, encoding: str
) -> None:
    body = BODY.decode().encode(encoding)
    sent = POST.replace(b"Content-Length: %d" % len(BODY), b"Content-Length: %d" % len(body)) + body
    wire = await Wire.open(small_bank, sent)
    status, _, answer = await wire.answer()
    await wire.close()
    assert status == 400
    assert "not JSON. It begins with a byte order mark, or is not UTF-8." in answer.decode()
