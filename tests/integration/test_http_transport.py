"""HTTP below GraphQL, over real sockets: methods, headers, compression, media types, and data that is not HTTP."""

import asyncio
import gzip
import json
import re
import zlib
from types import SimpleNamespace
from typing import Any

import pytest
from aiohttp import web

from bank.api.connection_limits import ConnectionLimits, Connections
from bank.api.connections import ClientConnection
from bank.errors import BadInput
from bank.telemetry.context import RequestContext, correlation_id, enter_context
from tests.integration.api import RunningBank
from tests.integration.wire import ALWAYS, BODY, POST, Wire


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, mtime=0)


def _deflated(data: bytes, *, bare: bool = False) -> bytes:
    engine = zlib.compressobj(wbits=-15 if bare else 15)
    return engine.compress(data) + engine.flush()


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


async def test_every_answer_has_the_common_headers(running_bank: RunningBank) -> None:
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
    b"GET / HTTP/1.1\r\nHost: bank\r\n" + b"X: a\r\n" * 200 + b"\r\n",
    POST.replace(b"Content-Length: %d" % len(BODY), b"Transfer-Encoding: chunked") + b"xyz\r\n",
]


async def test_data_that_is_not_http_gets_400_and_is_not_repeated(
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


async def test_data_that_is_not_http_has_no_context_of_an_earlier_request(running_bank: RunningBank) -> None:
    wire = await Wire.open(running_bank, POST.replace(b"Host: bank", b"Host: bank\r\nX-Correlation-ID: first") + BODY)
    status, headers, _ = await wire.answer()
    assert (status, headers["X-Correlation-ID"]) == (200, "first")
    await wire.send(b"secret-password\r\n\r\n")
    status, headers, _ = await wire.answer()
    assert status == 400
    assert re.fullmatch("[0-9a-f-]{36}", headers["X-Correlation-ID"])
    await wire.close()


async def test_an_error_that_ends_a_connection_neither_uses_nor_changes_the_context() -> None:
    enter_context(RequestContext("started-in"))
    connection = _connection()
    sent: list[bytes] = []
    connection._socket = SimpleNamespace(write=sent.append)  # type: ignore[assignment]
    connection._end_with(408, BadInput("Too late."))
    assert sent[0].startswith(b"HTTP/1.1 408 ")
    assert b"started-in" not in sent[0]
    assert correlation_id() == "started-in"


async def test_data_that_is_not_http_gets_a_new_correlation_id() -> None:
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


async def test_a_body_is_decoded_by_its_content_encoding_or_refused(running_bank: RunningBank) -> None:
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


async def test_a_response_has_an_accepted_media_type_or_the_status_406(
    running_bank: RunningBank,
) -> None:
    for accept, found in ACCEPTED:
        # The client of aiohttp would send */* by default.
        line = f"Accept: {accept}\r\n".encode() if accept is not None else b""
        wire = await Wire.open(running_bank, POST.replace(b"Host: bank\r\n", b"Host: bank\r\n" + line) + BODY)
        status, headers, _ = await wire.answer()
        assert status == (406 if found is None else 200)
        assert headers["Content-Type"].partition(";")[0] == (found or "application/json")
        await wire.close()


async def test_a_401_answer_has_the_www_authenticate_header(running_bank: RunningBank) -> None:
    reply = await running_bank.client.send("{ me { id } }")
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="bank"')
    reply = await running_bank.client.send("{ me { id } }", headers={"Authorization": "Bearer nonsense"})
    assert (reply.status, reply.headers["WWW-Authenticate"]) == (401, 'Bearer realm="bank", error="invalid_token"')


async def test_metrics_are_served_to_this_machine_and_not_through_a_proxy(running_bank: RunningBank) -> None:
    assert (await _send(running_bank, "GET", "/metrics"))[0] == 200
    assert (await _send(running_bank, "GET", "/metrics", headers={"X-Forwarded-For": "203.0.113.7"}))[0] == 404


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
async def test_a_refusal_before_the_handlers_has_the_form_of_api_errors(
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
async def test_a_body_in_another_encoding_has_another_error_than_invalid_json(
    small_bank: RunningBank, encoding: str
) -> None:
    body = BODY.decode().encode(encoding)
    sent = POST.replace(b"Content-Length: %d" % len(BODY), b"Content-Length: %d" % len(body)) + body
    wire = await Wire.open(small_bank, sent)
    status, _, answer = await wire.answer()
    await wire.close()
    assert status == 400
    assert "not JSON. It begins with a byte order mark, or is not UTF-8." in answer.decode()
