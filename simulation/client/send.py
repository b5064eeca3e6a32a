"""The client of the bank, which uses only HTTP, JSON and the documents of `contracts/operations/`.

After a time-out or a broken connection, the outcome is unknown, not failed.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from time import monotonic_ns
from types import TracebackType
from typing import Self

import aiohttp
import msgspec

from contracts import OPERATIONS
from simulation.model.operations import Kind

REQUEST_TIMEOUT_S = 10.0
"""As long as a person waits for an answer. With a shorter time-out, a loaded machine turns answers in transit into
unknown outcomes."""

DOCUMENTS: Mapping[Kind, str] = {
    Kind.REGISTER: "Register",
    Kind.LOGIN: "Login",
    Kind.LOGOUT: "Logout",
    Kind.REFRESH: "RefreshSession",
    Kind.OPEN_ACCOUNT: "OpenAccount",
    Kind.DEPOSIT: "Deposit",
    Kind.TRANSFER: "Transfer",
    Kind.WITHDRAW: "Withdraw",
    Kind.BATCH: "TransferBatch",
    Kind.REVERSE: "ReverseTransaction",
    Kind.AUTHORIZE: "AuthorizeHold",
    Kind.CAPTURE: "CaptureHold",
    Kind.RELEASE: "ReleaseHold",
    Kind.FREEZE: "FreezeAccount",
    Kind.UNFREEZE: "UnfreezeAccount",
    Kind.LIMIT: "SetAccountLimits",
    Kind.CLOSE: "CloseAccount",
    Kind.STATEMENT: "AccountStatement",
    Kind.HOLDS: "AccountHolds",
    Kind.DAYS: "AccountDays",
    Kind.LIMITS: "AccountLimits",
    Kind.AUDIT: "AuditLogs",
    Kind.ME: "Me",
    Kind.BALANCE: "AccountBalance",
    Kind.HISTORY: "AccountHistory",
}
"""The document of `contracts/operations/` that each kind of operation sends."""

ALIASED = "TransferTwice"
"""The document with two transfers, as `one` and `two`."""


@dataclass(frozen=True, slots=True, repr=False)
class Reply:
    """The response, or the network error.

    `cache` is the Cache-Status header (RFC 9211) of the answer. `failure` is set if there is no readable answer.
    `took_ns` is the duration that the bank reports in its Server-Timing header, which excludes the client's own time
    and its wait for a processor; without an answer, it is the time since sending. `body` is the raw answer.
    """

    status: int | None = None
    data: Mapping[str, object] | None = None
    error_codes: tuple[str, ...] = ()
    correlation_id: str | None = None
    cache: str | None = None
    failure: str | None = None
    took_ns: int = 0
    body: bytes | None = None


class BankClient:
    """An async context manager with one pooled HTTP session for all people and all workers."""

    def __init__(self, base_urls: Sequence[str], *, timeout_s: float = REQUEST_TIMEOUT_S) -> None:
        self._urls = [f"{url}/graphql" for url in base_urls]
        self._timeout = aiohttp.ClientTimeout(total=timeout_s)
        self._documents = {
            name: (OPERATIONS / f"{name}.graphql").read_text("utf-8") for name in (*DOCUMENTS.values(), ALIASED)
        }
        self._session: aiohttp.ClientSession | None = None

    @property
    def workers(self) -> int:
        """The number of workers to send to."""
        return len(self._urls)

    def document(self, name: str) -> str:
        """Return the text of a document of `contracts/operations/`."""
        if name not in self._documents:
            self._documents[name] = (OPERATIONS / f"{name}.graphql").read_text("utf-8")
        return self._documents[name]

    async def __aenter__(self) -> Self:
        """Open the pool."""
        # No limit, because the driver bounds the requests in flight, and a second bound would hide waits in the client.
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), timeout=self._timeout)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the pool."""
        if self._session is not None:
            await self._session.close()

    async def send(
        self,
        kind: Kind,
        variables: Mapping[str, object],
        *,
        worker: int,
        token: str | None,
        fresh: bool = False,
        document: str | None = None,
        respelled: bool = False,
        address: str | None = None,
    ) -> Reply:
        """Send one operation to one worker. A network error does not raise, but is in the reply.

        With `fresh`, the request bypasses the cache. `document` replaces the usual document of the kind. With
        `respelled`, the body has its fields in another order, and additional white space. `address` is the client
        address that the bank gets from its proxy.
        """
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/graphql-response+json, application/json;q=0.9",
            "User-Agent": "bank-simulation",
        }
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        if fresh:
            headers["Cache-Control"] = "no-cache"
        if address is not None:
            headers["X-Forwarded-For"] = address
        name = document or DOCUMENTS[kind]
        body = body_of(
            {"query": self._documents[name], "operationName": name, "variables": variables}, respelled=respelled
        )
        return await self.send_body(body, headers, worker=worker)

    async def send_body(self, body: bytes, headers: Mapping[str, str], *, worker: int) -> Reply:
        """Send a body of any content to one worker. A network error does not raise, but is in the reply."""
        if self._session is None:
            raise RuntimeError("the client is not open")
        sent_ns = monotonic_ns()
        try:
            async with self._session.post(self._urls[worker], data=body, headers=headers) as response:
                text = await response.read()
                return replace(
                    _reply(response.status, text),
                    correlation_id=response.headers.get("X-Correlation-ID"),
                    cache=response.headers.get("Cache-Status"),
                    took_ns=_served_ns(response.headers.get("Server-Timing")) or monotonic_ns() - sent_ns,
                )
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            return Reply(failure=type(error).__name__, took_ns=monotonic_ns() - sent_ns)


def body_of(content: dict[str, object], *, respelled: bool) -> bytes:
    """Return a request as JSON. With `respelled`, its fields are in reverse order, with much white space."""
    body = msgspec.json.encode(dict(reversed(content.items())) if respelled else content)
    return msgspec.json.format(body, indent=7) if respelled else body


def _served_ns(timing: str | None) -> int | None:
    """Return the total of a Server-Timing header (W3C, in milliseconds) in nanoseconds, or None if it has none."""
    found = re.search(r"\btotal;dur=([0-9]+(?:\.[0-9]+)?)", timing or "")
    return round(float(found.group(1)) * 1e6) if found else None


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
        body=text,
        error_codes=tuple(_code(error) for error in body.get("errors") or ()),
    )


def _code(error: object) -> str:
    extensions = error.get("extensions") if isinstance(error, dict) else None
    code = extensions.get("code") if isinstance(extensions, dict) else None
    return code if isinstance(code, str) else "WITHOUT_CODE"
