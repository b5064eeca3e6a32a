"""GraphQL over HTTP, with the media types and status codes of that specification."""

from collections.abc import Callable, Mapping
from time import perf_counter
from typing import Any

import msgspec
import structlog
from aiohttp import web

from bank.api.content_negotiation import LEGACY_JSON
from bank.api.error_responses import InvalidRequestError
from bank.api.http_request import bypasses_cache, is_not_plain_utf8, read_http_body, response_media_type
from bank.api.middleware.authentication import AUTHENTICATION
from bank.api.request_body import RefusedMemberError, read_body, read_extensions, read_variables
from bank.api.request_handler import GraphQLRequest, GraphQLRequestHandler, GraphQLResponse
from bank.telemetry.context import current_context

logger = structlog.get_logger(__name__)

_STATUS = {"UNAUTHENTICATED": 401, "FORBIDDEN": 403, "SECOND_FACTOR_REQUIRED": 403, "METHOD_NOT_ALLOWED": 405,
           "RATE_LIMITED": 429, "OVERLOADED": 503, "UNAVAILABLE": 503,
           "OUTCOME_UNKNOWN": 503, "INTERNAL": 500}  # fmt: skip
# RFC 9211, section 2.2: why the request was forwarded past the cache.
_FORWARDED = {"stale": "stale", "bypass": "request", "miss": "uri-miss", "away": "bypass"}
# The known parameters of a GET request. A request with one of them twice is refused, since it is ambiguous.
_PARAMETERS = ("query", "operationName", "variables", "extensions")


class GraphQLOverHTTP:
    """Translation between HTTP and the request handler."""

    def __init__(self, handler: GraphQLRequestHandler) -> None:
        self._handler = handler

    async def post(self, request: web.Request) -> web.Response:
        """Execute an operation sent as JSON."""
        media_type = response_media_type(request)
        if request.content_type != LEGACY_JSON:
            raise InvalidRequestError("Send the request as application/json.", status=415)
        raw = await read_http_body(request)
        try:
            body = read_body(raw)
        except RefusedMemberError as error:
            raise InvalidRequestError(str(error)) from None
        except msgspec.ValidationError:
            raise InvalidRequestError("The request is a JSON object with query, operationName, variables.") from None
        except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
            hint = " It begins with a byte order mark, or is not UTF-8." if is_not_plain_utf8(raw) else ""
            raise InvalidRequestError(f"The request is not JSON.{hint}") from None
        return await self._execute(
            media_type,
            GraphQLRequest(
                query=body.query,
                operation_name=body.operation_name or None,
                variables=body.variables,
                authentication=request[AUTHENTICATION],
                bypass_cache=bypasses_cache(request.headers),
            ),
        )

    async def get(self, request: web.Request) -> web.Response:
        """Execute a query sent as URL parameters."""
        media_type = response_media_type(request)
        parameters = request.query
        if "query" not in parameters:
            raise InvalidRequestError("The parameter query is missing.")
        for name in _PARAMETERS:
            if len(parameters.getall(name, ())) > 1:
                raise InvalidRequestError(f"The parameter {name} comes twice.")
        variables = _json_parameter(parameters, "variables", read_variables)
        # The bank uses no extensions, but an invalid value is refused, as in a body.
        _json_parameter(parameters, "extensions", read_extensions)
        return await self._execute(
            media_type,
            GraphQLRequest(
                query=parameters["query"],
                operation_name=parameters.get("operationName") or None,
                variables=variables,
                authentication=request[AUTHENTICATION],
                bypass_cache=bypasses_cache(request.headers),
                queries_only=True,
            ),
        )

    async def _execute(self, media_type: str, request: GraphQLRequest) -> web.Response:
        started = perf_counter()
        response = await self._handler.handle(request)
        status = _status(response, legacy=media_type == LEGACY_JSON)
        duration_ms = round((perf_counter() - started) * 1000, 2)
        _log(response, status, duration_ms)
        headers = {
            # W3C Server Timing: the milliseconds of the whole request, and those that its reads spent in the database.
            "Server-Timing": f"total;dur={duration_ms}, db;dur={round(response.database_s * 1000, 2)}",
        }
        if response.admission is not None:
            headers |= response.admission.headers
        if response.cache != "none":
            hit = response.cache in {"hit", "write_through"}
            headers["Cache-Status"] = f"bank; {'hit' if hit else 'fwd=' + _FORWARDED.get(response.cache, 'miss')}"
        if status == 401:
            # RFC 6750, section 3: a challenge without an error for a request without a token.
            error = ', error="invalid_token"' if request.authentication.attempted else ""
            headers["WWW-Authenticate"] = f'Bearer realm="bank"{error}'
        if status == 405:
            headers["Allow"] = "POST"
        if status == 503:
            headers["Retry-After"] = "1"
        return web.Response(
            body=response.body,
            status=status,
            headers=headers,
            content_type=media_type,
            charset="utf-8",
        )


def _json_parameter(
    parameters: Mapping[str, str], name: str, read: Callable[[str], dict[str, Any] | None]
) -> dict[str, Any] | None:
    """Return the JSON object of a URL parameter, or None. Raises `InvalidRequestError` for anything else."""
    try:
        return read(parameters.get(name) or "null")
    except RefusedMemberError as error:
        raise InvalidRequestError(f"The parameter {name}: {error}") from None
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError):
        raise InvalidRequestError(f"The parameter {name} is not a JSON object.") from None


def _log(response: GraphQLResponse, status: int, duration_ms: float) -> None:
    context = current_context()
    refusals = context.refusals if context else []
    logger.info(
        "request",
        operation=response.operation,
        status=status,
        cache=response.cache,
        outcome="error" if response.error_code else "refused" if refusals else "done",
        # The first refusal, if several mutations or list items were refused. The metrics count each.
        error=response.error_code or next(iter(refusals), None),
        duration_ms=duration_ms,
    )


def _status(response: GraphQLResponse, *, legacy: bool) -> int:
    if response.error_code is None:
        return 200
    status = _STATUS.get(response.error_code)
    if status in {405, 429, 503}:
        return status
    if legacy:
        return 200
    return status or (200 if response.executed else 400)
