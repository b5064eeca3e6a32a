"""The bare HTTP client: whole answers or an error, never half of one, never somebody else's."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from simulation.exchange import ExchangeError, Exchanges

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, bytes]:
    head = await reader.readuntil(b"\r\n\r\n")
    length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
    return head, await reader.readexactly(length)


@asynccontextmanager
async def serving(serve: Serve, *, timeout_s: float = 5) -> AsyncIterator[Exchanges]:
    async def once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # the client has closed: the end of every test
        finally:
            writer.close()

    server = await asyncio.start_server(once, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    exchanges = Exchanges(f"http://127.0.0.1:{port}", "/graphql", timeout_s=timeout_s)
    try:
        yield exchanges
    finally:
        exchanges.close()
        server.close()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        _, body = await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nX-Correlation-ID: a\r\n\r\n%b" % (len(body), body))


async def test_an_answer_has_its_status_headers_and_body() -> None:
    async with serving(echo) as exchanges:
        answered = await exchanges.post(b"Accept: a/b\r\n", b"hello")
    assert (answered.status, answered.headers["x-correlation-id"], answered.body) == (200, "a", b"hello")
    assert answered.took_ns > 0


async def test_requests_at_the_same_moment_get_each_their_own_answer() -> None:
    async with serving(echo) as exchanges:
        bodies = [b"%d" % number * number for number in range(1, 50)]
        answers = await asyncio.gather(*(exchanges.post(b"", body) for body in bodies))
    assert [answer.body for answer in answers] == bodies


async def test_a_connection_is_kept_for_the_next_request() -> None:
    connections = 0

    async def count(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await echo(reader, writer)

    async with serving(count) as exchanges:
        for _ in range(5):
            await exchanges.post(b"", b"x")
    assert connections == 1


async def test_an_answer_that_comes_in_pieces_is_put_together() -> None:
    async def slowly(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        for byte in b"HTTP/1.1 503 Busy\r\ncontent-length: 5\r\n\r\nsorry":
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0)

    async with serving(slowly) as exchanges:
        answered = await exchanges.post(b"", b"x")
    assert (answered.status, answered.body) == (503, b"sorry")


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"", "Disconnected"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf", "Disconnected"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "NoHTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: many\r\n\r\n", "NoHTTP"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", "NoHTTP"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "NoHTTP"),
        (b"x" * 70_000, "NoHTTP"),
    ],
)
async def test_what_is_no_whole_answer_is_an_error(said: bytes, reason: str) -> None:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(said)
        await writer.drain()

    async with serving(say) as exchanges:
        with pytest.raises(ExchangeError, match=reason):
            await exchanges.post(b"", b"x")


async def test_an_answer_that_comes_too_late_is_not_taken_for_the_next_one() -> None:
    first = asyncio.Event()

    async def late_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            _, body = await read_request(reader)
            if not first.is_set():
                first.set()
                await asyncio.sleep(0.3)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))

    async with serving(late_once, timeout_s=0.1) as exchanges:
        with pytest.raises(ExchangeError, match="TimeoutError"):
            await exchanges.post(b"", b"late")
        assert (await exchanges.post(b"", b"next")).body == b"next"


async def test_a_server_that_has_gone_and_come_back_is_reached_again() -> None:
    async def one_each(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, body = await read_request(reader)
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b" % (len(body), body))
        await writer.drain()

    async with serving(one_each) as exchanges:
        for _ in range(3):
            assert (await exchanges.post(b"", b"x")).body == b"x"


async def test_nobody_there_is_an_error_with_a_name() -> None:
    exchanges = Exchanges("http://127.0.0.1:1", "/graphql", timeout_s=1)
    with pytest.raises(ExchangeError, match="ConnectionRefusedError"):
        await exchanges.post(b"", b"x")
