"""Responses to requests for which no operation was executed, and the headers of every response."""

from collections.abc import Mapping

import msgspec
import structlog
from aiohttp import web

from bank.errors import BadInput, BankError
from bank.graphql.errors import format_error
from bank.telemetry.context import correlation_id

logger = structlog.get_logger(__name__)

JSON = "application/json"
# Responses contain personal data, so no proxy may store them. No browser may interpret them as another media type. The
# name and version of the server software are not published.
ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "bank"}
HEADERS = {**ALWAYS, "Content-Type": f"{JSON}; charset=utf-8"}


class InvalidRequestError(Exception):
    """An HTTP request that cannot be executed: the message for the client, the status and further headers."""

    def __init__(self, message: str, *, status: int = 400, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.headers = headers or {}


def invalid_request(invalid: InvalidRequestError) -> web.Response:
    """Return the response to an invalid request, and log it."""
    error = BadInput(invalid.message)
    logger.info("request", operation="refused", status=invalid.status, outcome="error", error=error.code)
    response = web.Response(body=error_body(error), status=invalid.status, headers={**HEADERS, **invalid.headers})
    if invalid.status in {408, 501, 505}:  # the bank does not know where the next request begins
        response.force_close()
    return response


def error_body(error: BankError) -> bytes:
    """Return a GraphQL response body with one error."""
    return msgspec.json.encode({"errors": [format_error(error)]})


def correlation_header() -> dict[str, str]:
    """Return the header with the correlation id of the current request; empty outside of any request."""
    current = correlation_id()
    return {"X-Correlation-ID": current} if current else {}
