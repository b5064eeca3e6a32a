"""GraphQL over HTTP with that specification's media types and status codes; health and metrics (spec step 7)."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any

import msgspec
import structlog
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bank.api.accept import LEGACY_JSON
from bank.api.answer import Answer, Answerer, GraphQLRequest
from bank.api.body import RefusedMemberError, read_body, read_extensions, read_variables
from bank.api.faults import ALWAYS, HEADERS, correlation_header, fault_body
from bank.api.receive import (
    BODY_BYTES_MAX,
    MalformedRequest,
    bearer_token,
    correlation_id_of,
    header_text,
    is_marked,
    media_type_of,
    read_request,
    reads_past_cache,
    require_http_1,
)
from bank.api.sender import read_address, sender_address
from bank.app import Bank
from bank.cache.redis import RedisUnavailable
from bank.errors import BadInput, BankError
from bank.telemetry.context import RequestContext, correlation_id, current_context, enter_context

logger = structlog.get_logger(__name__)

_STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "METHOD_NOT_ALLOWED": 405, "OVERLOADED": 503, "UNAVAILABLE": 503,
           "OUTCOME_UNKNOWN": 503, "INTERNAL": 500}  # fmt: skip


# What aiohttp refuses before any handler is asked: a target that is no path (`CONNECT`, `OPTIONS *`), another `Expect`.
_OF_AIOHTTP = {
    404: "There is nothing at this target: the API is at /graphql, health at /health/ready.",
    417: "Expect can be 100-continue.",
}

# The parameters of a GET that mean something; which of two would count is not for the bank to choose.
_PARAMETERS = ("query", "operationName", "variables", "extensions")


def build_web_application(bank: Bank, answerer: Answerer, *, public_metrics: bool = True) -> web.Application:
    """Return the HTTP face of the bank; without `public_metrics` the metrics are somewhere else."""
    face = _Face(bank, answerer)
    paths: dict[str, dict[str, _Handler]] = {
        "/graphql": {"GET": face.get, "POST": face.post},
        "/health/live": {"GET": face.live},
        "/health/ready": {"GET": face.ready},
    }
    if public_metrics:
        paths["/metrics"] = {"GET": face.local_metrics}
    return _application(face, paths)


def build_metrics_application(bank: Bank, answerer: Answerer) -> web.Application:
    """Return what is served where the metrics have an address of their own."""
    face = _Face(bank, answerer)
    return _application(face, {"/metrics": {"GET": face.metrics}})


_Handler = Callable[[web.Request], Awaitable[web.Response]]


def _application(face: "_Face", paths: dict[str, dict[str, _Handler]]) -> web.Application:
    application = web.Application(client_max_size=BODY_BYTES_MAX)
    for path, handlers in paths.items():
        application.router.add_route("*", path, partial(face.dispatch, handlers))
    application.router.add_route("*", "/{path:.*}", face.nothing_here)
    application.on_response_prepare.append(_complete)
    return application


async def _complete(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Give an answer what all have, also those that aiohttp makes."""
    if correlation_id() is None:
        enter_context(RequestContext(correlation_id=correlation_id_of(request)))
    if isinstance(response, web.HTTPException):
        # aiohttp's own: it repeats what the client sent, as text.
        sentence = _OF_AIOHTTP.get(response.status, "The request cannot be answered.")
        body = fault_body(BadInput(sentence))
        response.body = body
        response.headers.update({**HEADERS, "Content-Length": str(len(body))})
    response.headers.update(ALWAYS)
    response.headers.update(correlation_header())


class _Face:
    def __init__(self, bank: Bank, answerer: Answerer) -> None:
        self._bank = bank
        self._answerer = answerer

    def _enter(self, request: web.Request) -> RequestContext:
        forwarded_for, trusted = request.headers.getall("X-Forwarded-For", ()), self._bank.settings.trusted_proxies
        context = RequestContext(
            correlation_id=correlation_id_of(request),
            ip_address=sender_address(request.remote, forwarded_for, trusted),
            user_agent=header_text(request.headers.get("User-Agent", ""))[:255] or None,
        )
        enter_context(context)
        return context

    async def dispatch(self, handlers: dict[str, _Handler], request: web.Request) -> web.Response:
        """Answer a request to a path that there is, by its method."""
        self._enter(request)
        method = "GET" if request.method == "HEAD" else request.method  # aiohttp leaves the body of a HEAD out
        handler = handlers.get(method)
        try:
            require_http_1(request)
            if handler is not None:
                return await handler(request)
            headers = {"Allow": ", ".join([*handlers, *(["HEAD"] if "GET" in handlers else []), "OPTIONS"])}
            if method == "OPTIONS":
                return web.Response(status=204, headers=headers)
            return _refuse(MalformedRequest(f"This path takes {headers['Allow']}.", status=405, headers=headers))
        except MalformedRequest as malformed:
            return _refuse(malformed)
        except ConnectionError:
            logger.info("request", operation="refused", status=None, outcome="error", error="CLIENT_LEFT")
            raise

    async def nothing_here(self, request: web.Request) -> web.Response:
        """Say where the API is."""
        self._enter(request)
        near = request.path.strip("/").lower() == "graphql"
        culprit = (
            "The path ends with a slash too many or is spelt otherwise" if near else "There is nothing at this path"
        )
        return _refuse(MalformedRequest(f"{culprit}: the API is at /graphql, health at /health/ready.", status=404))

    async def post(self, request: web.Request) -> web.Response:
        """Execute a document sent as JSON."""
        media_type = media_type_of(request)
        if request.content_type != LEGACY_JSON:
            raise MalformedRequest("Send the request as application/json.", status=415)
        raw = await read_request(request)
        try:
            body = read_body(raw)
        except RefusedMemberError as error:
            raise MalformedRequest(str(error)) from None
        except msgspec.ValidationError:
            raise MalformedRequest("The request is a JSON object with query, operationName, variables.") from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            mark = " It begins with a byte order mark, or is not UTF-8." if is_marked(raw) else ""
            raise MalformedRequest(f"The request is not JSON.{mark}") from None
        return await self._answer(
            media_type,
            GraphQLRequest(
                query=body.query,
                operation_name=body.operation_name or None,
                variables=body.variables,
                access_token=bearer_token(request.headers),
                past_cache=reads_past_cache(request.headers),
            ),
        )

    async def get(self, request: web.Request) -> web.Response:
        """Execute a query sent as URL parameters."""
        media_type = media_type_of(request)
        parameters = request.query
        if "query" not in parameters:
            raise MalformedRequest("The parameter query is missing.")
        for name in _PARAMETERS:
            if len(parameters.getall(name, ())) > 1:
                raise MalformedRequest(f"The parameter {name} comes twice.")
        variables = _json_parameter(parameters, "variables", read_variables)
        # Nothing is done with them, and yet what they are is looked at, as in a body.
        _json_parameter(parameters, "extensions", read_extensions)
        return await self._answer(
            media_type,
            GraphQLRequest(
                query=parameters["query"],
                operation_name=parameters.get("operationName") or None,
                variables=variables,
                access_token=bearer_token(request.headers),
                past_cache=reads_past_cache(request.headers),
                queries_only=True,
            ),
        )

    async def _answer(self, media_type: str, asked: GraphQLRequest) -> web.Response:
        started = perf_counter()
        answer = await self._answerer.answer(asked)
        status = _status(answer, legacy=media_type == LEGACY_JSON)
        context = current_context()
        refusals = context.refusals if context else []
        duration_ms = round((perf_counter() - started) * 1000, 2)
        logger.info(
            "request",
            operation=answer.operation,
            status=status,
            cache=answer.cache,
            outcome="error" if answer.error_code else "refused" if refusals else "done",
            # Of the refusals of several mutations or list items, the first; the metrics count each.
            error=answer.error_code or next(iter(refusals), None),
            duration_ms=duration_ms,
        )
        headers = {
            # W3C Server Timing: what the answer took here, and how much of it reads spent in the database.
            "Server-Timing": f"total;dur={duration_ms}, db;dur={round(answer.database_s * 1000, 2)}",
        }
        if answer.cache != "none":
            # RFC 9211: what the cache did for this answer.
            did = "hit" if answer.cache in {"hit", "write_through"} else f"fwd={_FORWARDED.get(answer.cache, 'miss')}"
            headers["Cache-Status"] = f"bank; {did}"
        if status == 401:
            # RFC 6750, section 3: a challenge without an error where nobody has tried.
            error = ', error="invalid_token"' if asked.access_token else ""
            headers["WWW-Authenticate"] = f'Bearer realm="bank"{error}'
        if status == 405:
            headers["Allow"] = "POST"
        if status == 503:
            headers["Retry-After"] = "1"
        return web.Response(
            body=answer.body,
            status=status,
            headers=headers,
            content_type=media_type,
            charset="utf-8",
        )

    async def live(self, _request: web.Request) -> web.Response:
        """Say that the process runs."""
        return web.json_response({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """Say whether requests can be served: not without the database, slower without Redis."""
        try:
            async with self._bank.database.connection() as connection:
                await connection.fetchval("select 1")
            database = "ok"
        except (BankError, OSError, TimeoutError):
            database = "unavailable"
        try:
            await self._bank.cache_server.ping()
            redis = "ok"
        except RedisUnavailable:
            redis = "unavailable"
        ready = database == "ok"
        status = "ok" if ready and redis == "ok" else "degraded" if ready else "unavailable"
        return web.json_response({"status": status, "database": database, "redis": redis}, status=200 if ready else 503)

    async def local_metrics(self, request: web.Request) -> web.Response:
        """Return what the bank has counted, to whoever is on this machine and comes by no proxy."""
        peer = read_address(request.remote or "")
        if (
            peer is None
            or not peer.is_loopback
            or "X-Forwarded-For" in request.headers
            or "Forwarded" in request.headers
        ):
            raise MalformedRequest("Metrics are for this machine, or at BANK_METRICS_ADDRESS.", status=404)
        return await self.metrics(request)

    async def metrics(self, _request: web.Request) -> web.Response:
        """Return what the bank has counted."""
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _json_parameter(
    parameters: Mapping[str, str], name: str, read: Callable[[str], dict[str, Any] | None]
) -> dict[str, Any] | None:
    try:
        return read(parameters.get(name) or "null")
    except RefusedMemberError as error:
        raise MalformedRequest(f"The parameter {name}: {error}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise MalformedRequest(f"The parameter {name} is not a JSON object.") from None


_FORWARDED = {"stale": "stale", "bypass": "request", "miss": "uri-miss", "away": "bypass"}


def _status(answer: Answer, *, legacy: bool) -> int:
    if answer.error_code is None:
        return 200
    status = _STATUS.get(answer.error_code)
    if status in {405, 503}:
        return status
    if legacy:
        return 200
    return status or (200 if answer.executed else 400)


def _refuse(malformed: MalformedRequest) -> web.Response:
    error = BadInput(malformed.sentence)
    logger.info("request", operation="refused", status=malformed.status, outcome="error", error=error.code)
    response = web.Response(body=fault_body(error), status=malformed.status, headers={**HEADERS, **malformed.headers})
    if malformed.status in {408, 501, 505}:  # where the next request begins is not certain
        response.force_close()
    return response
