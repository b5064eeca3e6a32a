"""A TCP connection to a bank without an HTTP client, for requests and responses as bytes."""

import asyncio
import json
from typing import Any

from tests.integration.api import RunningBank

BODY = json.dumps({"query": "{ __typename }"}).encode()


POST = b"POST /graphql HTTP/1.1\r\nHost: bank\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(
    BODY
)


ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "bank"}


class Wire:
    """One TCP connection without an HTTP client."""

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

    async def send_slowly(self, sent: bytes, pause_s: float) -> None:
        for byte in sent:
            await self.send(bytes([byte]))
            await asyncio.sleep(pause_s)

    async def until_closed(self) -> bytes:
        answer = b""
        async with asyncio.timeout(10):
            try:
                # Data that was received before a reset counts.
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
