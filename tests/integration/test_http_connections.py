"""Connections over real sockets: their time-outs, their maximum number, and their end."""

import asyncio
import contextlib
import json
import socket

import pytest
from graphql import get_introspection_query

from bank.api import connection_limits, connections, http_request
from bank.telemetry import metrics
from tests.integration.api import RunningBank
from tests.integration.wire import ALWAYS, BODY, POST, Wire, read_all


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


async def test_a_connection_with_an_incomplete_request_is_closed(small_bank: RunningBank) -> None:
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
async def test_a_slowly_sent_request_is_closed_after_the_time_for_the_whole(
    small_bank: RunningBank, whole: int
) -> None:
    wire = await Wire.open(small_bank, (POST + BODY)[:whole])
    sending = asyncio.create_task(wire.send_slowly((POST + BODY)[whole:], 0.1))
    assert read_all(await wire.until_closed())[0] == 408
    sending.cancel()
    with pytest.raises((asyncio.CancelledError, ConnectionError)):
        await sending


@pytest.mark.parametrize("next_request", [b"", b"POST /graphql HTT", POST[:-2]])
@pytest.mark.parametrize("together", [True, False])
async def test_an_idle_connection_is_kept_and_one_with_half_a_request_is_closed(
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
async def test_a_connection_is_kept_after_a_request_in_two_parts(small_bank: RunningBank, cut: int) -> None:
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


async def test_too_many_idle_connections_of_one_address_block_no_other_client(small_bank: RunningBank) -> None:
    used = await Wire.open(small_bank, POST + BODY)
    assert (await used.answer())[0] == 200
    idle = [await Wire.open(small_bank) for _ in range(30)]
    for source in ("127.0.0.1", "127.0.0.2"):
        wire = await Wire.open(small_bank, POST + BODY, source=source)
        assert (await wire.answer())[0] == 200
        await wire.close()
    # The connection that has already sent a request stays; the oldest of the others are closed.
    await used.send(POST + BODY)
    assert (await used.answer())[0] == 200
    assert await idle[0].until_closed() == b""
    for wire in [used, *idle]:
        await wire.close()


async def test_idle_connections_of_many_addresses_block_no_other_client(small_bank: RunningBank) -> None:
    idle = [await Wire.open(small_bank, source=f"127.0.0.{10 + number}") for number in range(30)]
    wire = await Wire.open(small_bank, POST + BODY)
    assert (await wire.answer())[0] == 200
    for other in [wire, *idle]:
        await other.close()


async def test_a_new_connection_is_refused_as_retryable_when_all_are_busy(small_bank: RunningBank) -> None:
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


async def test_a_disconnect_during_the_body_is_no_error(
    running_bank: RunningBank, caplog: pytest.LogCaptureFixture
) -> None:
    wire = await Wire.open(running_bank, POST + BODY[:5])
    await asyncio.sleep(0.05)
    await wire.close()
    assert (await running_bank.client.send("{ __typename }")).status == 200
    assert not caplog.records


async def test_an_unread_answer_is_dropped_and_its_memory_is_freed(
    small_bank: RunningBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "UNSENT_SECONDS", 0.5)
    question = json.dumps({"query": get_introspection_query()}).encode()
    request = POST.replace(b"Content-Length: %d" % len(BODY), b"Content-Length: %d" % len(question)) + question
    # All responses together are more than the buffers of both sockets hold.
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
                # Other clients are served in the meantime.
                other = await Wire.open(small_bank, POST + BODY)
                assert (await other.answer())[0] == 200
                await other.close()
        asking.cancel()
        # The connection was closed in the middle of a response.
        received = b""
        with contextlib.suppress(ConnectionError):
            async with asyncio.timeout(10):
                while some := await loop.sock_recv(deaf, 1_000_000):
                    received += some
        assert 0 < received.count(b"HTTP/1.1 200 OK") < asked
