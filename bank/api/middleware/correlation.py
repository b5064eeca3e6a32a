"""The correlation id of a request: the client's own or a new one. Log lines, events, errors and responses carry it."""

import re

from aiohttp import web
from aiohttp.typedefs import Handler

from bank.identifiers import uuid7
from bank.telemetry.context import RequestContext, enter_context

# Room for two UUIDs. Only printable characters, so that a client cannot write control characters into the log.
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,80}")
USER_AGENT_MAX = 255


@web.middleware
async def correlate(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Set the context of a request: its correlation id and user agent."""
    user_agent = _storable(request.headers.get("User-Agent", ""))[:USER_AGENT_MAX] or None
    enter_context(RequestContext(correlation_id=correlation_id_of(request), user_agent=user_agent))
    return await handler(request)


def correlation_id_of(request: web.BaseRequest) -> str:
    """Return the correlation id that the client sent, if it is valid, else a new one."""
    given = request.headers.get("X-Correlation-ID", "")
    return given if _CORRELATION_ID.fullmatch(given) else str(uuid7())


def _storable(header: str) -> str:
    """Return a header as valid Unicode. Bytes that are not UTF-8 arrive as surrogates, which PostgreSQL refuses."""
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
