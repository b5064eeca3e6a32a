"""The bank's client: HTTP, JSON, and the documents of `contracts/operations/`, nothing else.

What it cannot know it does not guess: a time-out or a broken connection is unknown, not failed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic_ns
from types import TracebackType
from typing import Self

import msgspec

from contracts import OPERATIONS
from simulation.exchange import ExchangeError, Exchanges
from simulation.plan import Kind

REQUEST_TIMEOUT_S = 10.0
"""As long as a person looks at a spinner. Shorter, and a loaded machine makes unknowns out of answers on their way."""

HEADERS = (
    b"Content-Type: application/json\r\n"
    b"Accept: application/graphql-response+json, application/json;q=0.9\r\n"
    b"User-Agent: bank-simulation\r\n"
)

DOCUMENTS: Mapping[Kind, str] = {
    Kind.REGISTER: "Register",
    Kind.LOGIN: "Login",
    Kind.LOGOUT: "Logout",
    Kind.REFRESH: "RefreshSession",
    Kind.OPEN_ACCOUNT: "OpenAccount",
    Kind.DEPOSIT: "Deposit",
    Kind.TRANSFER: "Transfer",
    Kind.ME: "Me",
    Kind.BALANCE: "AccountBalance",
    Kind.HISTORY: "AccountHistory",
}
"""The document of `contracts/operations/` that each kind of operation sends."""


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """What came back, or what went wrong on the way.

    `cache` is what the answer's Cache-Status header (RFC 9211) says of it; `failure` is set where nothing that can be
    read came back. `took_ns` is the time from sending to the last byte: reading the JSON is the client's own affair.
    """

    status: int | None = None
    data: Mapping[str, object] | None = None
    error_codes: tuple[str, ...] = ()
    correlation_id: str | None = None
    cache: str | None = None
    failure: str | None = None
    took_ns: int = 0


class BankClient:
    """One client for everybody, over all workers. Use as a context manager."""

    def __init__(self, base_urls: Sequence[str], *, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._exchanges = [Exchanges(url, "/graphql", timeout_s=timeout_s) for url in base_urls]
        self._documents = {
            kind: (OPERATIONS / f"{name}.graphql").read_text("utf-8") for kind, name in DOCUMENTS.items()
        }

    @property
    def workers(self) -> int:
        """How many workers there are to send to."""
        return len(self._exchanges)

    def __enter__(self) -> Self:
        """Be ready; connections are made when they are needed."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every connection."""
        for exchanges in self._exchanges:
            exchanges.close()

    async def send(
        self, kind: Kind, variables: Mapping[str, object], *, worker: int, token: str | None, fresh: bool = False
    ) -> Reply:
        """Send one operation to one worker; `fresh` asks to go past the cache. The network never makes it raise."""
        headers = HEADERS
        if token is not None:
            headers += b"Authorization: Bearer %b\r\n" % token.encode("ascii")
        if fresh:
            headers += b"Cache-Control: no-cache\r\n"
        body = msgspec.json.encode(
            {"query": self._documents[kind], "operationName": DOCUMENTS[kind], "variables": variables}
        )
        began_ns = monotonic_ns()
        try:
            answered = await self._exchanges[worker].post(headers, body)
        except ExchangeError as error:
            return Reply(failure=str(error), took_ns=monotonic_ns() - began_ns)
        return replace(
            _reply(answered.status, answered.body),
            correlation_id=answered.headers.get("x-correlation-id"),
            cache=answered.headers.get("cache-status"),
            took_ns=answered.took_ns,
        )


def _reply(status: int, text: bytes) -> Reply:
    try:
        body = msgspec.json.decode(text)
    except msgspec.DecodeError:
        return Reply(status=status, failure=f"HTTP {status} without JSON")
    if not isinstance(body, dict):
        return Reply(status=status, failure=f"HTTP {status} with JSON that is no object")
    data = body.get("data")
    return Reply(
        status=status,
        data=data if isinstance(data, dict) else None,
        error_codes=tuple(_code(error) for error in body.get("errors") or ()),
    )


def _code(error: object) -> str:
    extensions = error.get("extensions") if isinstance(error, dict) else None
    code = extensions.get("code") if isinstance(extensions, dict) else None
    return code if isinstance(code, str) else "WITHOUT_CODE"
