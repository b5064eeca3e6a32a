"""GraphQL over HTTP with that specification's media types and status codes; health and metrics (spec step 7)."""

import re
from time import perf_counter

import msgspec
import structlog
from aiohttp import web
from multidict import MultiMapping
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bank.api.answer import Answer, Answerer, GraphQLRequest
from bank.api.body import DuplicateMemberError, read_body, read_variables
from bank.api.masking import error_dict
from bank.api.sender import sender_address
from bank.app import Bank
from bank.cache.redis import RedisUnavailable
from bank.errors import BadInput, BankError
from bank.identifiers import uuid7
from bank.telemetry.context import RequestContext, enter_context

logger = structlog.get_logger(__name__)

# A document of 32 KiB, its variables, and room.
BODY_BYTES_MAX = 128 * 1024
RESPONSE_JSON = "application/graphql-response+json"
LEGACY_JSON = "application/json"
# As long as two UUIDs; printable, so that nothing strange gets into a log line.
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,80}")

_STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "METHOD_NOT_ALLOWED": 405, "OVERLOADED": 503, "UNAVAILABLE": 503,
           "OUTCOME_UNKNOWN": 503, "INTERNAL": 500}  # fmt: skip


# The parameters of a GET that mean something; which of two would count is not for the bank to choose.
_PARAMETERS = ("query", "operationName", "variables", "extensions")


def build_web_application(bank: Bank, answerer: Answerer) -> web.Application:
    """Return the HTTP face of the bank."""
    face = _Face(bank, answerer)
    application = web.Application(client_max_size=BODY_BYTES_MAX)
    application.router.add_route("POST", "/graphql", face.post)
    application.router.add_route("GET", "/graphql", face.get)
    application.router.add_route("GET", "/health/live", face.live)
    application.router.add_route("GET", "/health/ready", face.ready)
    application.router.add_route("GET", "/metrics", face.metrics)
    return application


class _Face:
    def __init__(self, bank: Bank, answerer: Answerer) -> None:
        self._bank = bank
        self._answerer = answerer

    def _enter(self, request: web.Request) -> RequestContext:
        given = request.headers.get("X-Correlation-ID", "")
        forwarded_for, trusted = request.headers.getall("X-Forwarded-For", ()), self._bank.settings.trusted_proxies
        context = RequestContext(
            correlation_id=given if _CORRELATION_ID.fullmatch(given) else str(uuid7()),
            ip_address=sender_address(request.remote, forwarded_for, trusted),
            user_agent=_text(request.headers.get("User-Agent", ""))[:255] or None,
        )
        enter_context(context)
        return context

    async def post(self, request: web.Request) -> web.Response:
        """Execute a document sent as JSON."""
        context = self._enter(request)
        try:
            if request.content_type != LEGACY_JSON:
                return _malformed(context, "Send the request as application/json.", status=415)
            body = read_body(await request.read())
        except web.HTTPRequestEntityTooLarge:
            return _malformed(context, f"A request has at most {BODY_BYTES_MAX} bytes.", status=413)
        except DuplicateMemberError as error:
            return _malformed(context, str(error))
        except msgspec.ValidationError:
            return _malformed(context, "The request is a JSON object with query, operationName, variables.")
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            return _malformed(context, "The request is not JSON.")
        return await self._answer(
            request,
            context,
            GraphQLRequest(
                query=body.query,
                operation_name=body.operation_name or None,
                variables=body.variables,
                access_token=_bearer(request.headers),
                past_cache=_past_cache(request.headers),
            ),
        )

    async def get(self, request: web.Request) -> web.Response:
        """Execute a query sent as URL parameters."""
        context = self._enter(request)
        parameters = request.query
        if "query" not in parameters:
            return _malformed(context, "The parameter query is missing.")
        for name in _PARAMETERS:
            if len(parameters.getall(name, ())) > 1:
                return _malformed(context, f"The parameter {name} comes twice.")
        try:
            variables = read_variables(parameters.get("variables") or "null")
        except DuplicateMemberError as error:
            return _malformed(context, f"The parameter variables: {error}")
        except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
            return _malformed(context, "The parameter variables is not a JSON object.")
        return await self._answer(
            request,
            context,
            GraphQLRequest(
                query=parameters["query"],
                operation_name=parameters.get("operationName") or None,
                variables=variables,
                access_token=_bearer(request.headers),
                past_cache=_past_cache(request.headers),
                queries_only=True,
            ),
        )

    async def _answer(self, request: web.Request, context: RequestContext, asked: GraphQLRequest) -> web.Response:
        started = perf_counter()
        answer = await self._answerer.answer(asked)
        wants_legacy = RESPONSE_JSON not in request.headers.get("Accept", "")
        status = _status(answer, legacy=wants_legacy)
        duration_ms = round((perf_counter() - started) * 1000, 2)
        logger.info(
            "request",
            operation=answer.operation,
            status=status,
            cache=answer.cache,
            outcome="error" if answer.error_code else "refused" if context.refusals else "done",
            # Of the refusals of several mutations or list items, the first; the metrics count each.
            error=answer.error_code or next(iter(context.refusals), None),
            duration_ms=duration_ms,
        )
        headers = {
            "X-Correlation-ID": context.correlation_id,
            # W3C Server Timing: what the answer took here, and how much of it reads spent in the database.
            "Server-Timing": f"total;dur={duration_ms}, db;dur={round(answer.database_s * 1000, 2)}",
        }
        if answer.cache != "none":
            # RFC 9211: what the cache did for this answer.
            did = "hit" if answer.cache in {"hit", "write_through"} else f"fwd={_FORWARDED.get(answer.cache, 'miss')}"
            headers["Cache-Status"] = f"bank; {did}"
        if status == 405:
            headers["Allow"] = "POST"
        if status == 503:
            headers["Retry-After"] = "1"
        return web.Response(
            body=answer.body,
            status=status,
            headers=headers,
            content_type=LEGACY_JSON if wants_legacy else RESPONSE_JSON,
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

    async def metrics(self, _request: web.Request) -> web.Response:
        """Return what the bank has counted."""
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


_FORWARDED = {"stale": "stale", "bypass": "request", "miss": "uri-miss", "away": "bypass"}


def _text(header: str) -> str:
    """Return a header that can be stored: bytes that are not UTF-8 come as lone surrogates, which no column takes."""
    return header.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _bearer(headers: MultiMapping[str]) -> str | None:
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None


def _past_cache(headers: MultiMapping[str]) -> bool:
    return "no-cache" in headers.get("Cache-Control", "").lower()


def _status(answer: Answer, *, legacy: bool) -> int:
    if answer.error_code is None:
        return 200
    status = _STATUS.get(answer.error_code)
    if status in {405, 503}:
        return status
    if legacy:
        return 200
    return status or (200 if answer.executed else 400)


def _malformed(context: RequestContext, sentence: str, *, status: int = 400) -> web.Response:
    return web.Response(
        body=msgspec.json.encode({"errors": [error_dict(BadInput(sentence))]}),
        status=status,
        headers={"X-Correlation-ID": context.correlation_id},
        content_type=LEGACY_JSON,
        charset="utf-8",
    )
