"""The web application: paths, methods, middleware, and the headers of every response."""

from collections.abc import Awaitable, Callable, Mapping
from functools import partial

import structlog
from aiohttp import web

from bank.api.error_responses import (
    ALWAYS,
    HEADERS,
    InvalidRequestError,
    correlation_header,
    error_body,
    invalid_request,
)
from bank.api.health import HealthHandler
from bank.api.http import GraphQLOverHTTP
from bank.api.http_request import BODY_BYTES_MAX, require_http_1
from bank.api.metrics import local_metrics, metrics
from bank.api.middleware import middlewares
from bank.api.middleware.correlation import correlation_id_of
from bank.api.request_handler import GraphQLRequestHandler
from bank.app import Bank
from bank.errors import BadInput
from bank.telemetry.context import RequestContext, correlation_id, enter_context

logger = structlog.get_logger(__name__)

# aiohttp makes these responses before it calls any handler: 404 for a request target that is not a path (`CONNECT`,
# `OPTIONS *`), and 417 for an `Expect` that it does not know.
_MESSAGES_FOR_AIOHTTP = {
    404: "There is nothing at this target: the API is at /graphql, health at /health/ready.",
    417: "Expect can be 100-continue.",
}

_Handler = Callable[[web.Request], Awaitable[web.Response]]


def build_application(bank: Bank, handler: GraphQLRequestHandler, *, public_metrics: bool = True) -> web.Application:
    """Return the application for clients. It serves the metrics too, unless they have an address of their own."""
    graphql, health = GraphQLOverHTTP(handler), HealthHandler(bank)
    paths: dict[str, dict[str, _Handler]] = {
        "/graphql": {"GET": graphql.get, "POST": graphql.post},
        "/health/live": {"GET": health.live},
        "/health/ready": {"GET": health.ready},
    }
    if public_metrics:
        paths["/metrics"] = {"GET": local_metrics}
    return _application(bank, paths)


def build_metrics_application(bank: Bank) -> web.Application:
    """Return the application for the address of the metrics."""
    return _application(bank, {"/metrics": {"GET": metrics}})


def _application(bank: Bank, paths: Mapping[str, Mapping[str, _Handler]]) -> web.Application:
    application = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=middlewares(bank))
    for path, handlers in paths.items():
        application.router.add_route("*", path, partial(_dispatch, handlers))
    application.router.add_route("*", "/{path:.*}", _not_found)
    application.on_response_prepare.append(_add_headers)
    return application


async def _add_headers(request: web.BaseRequest, response: web.StreamResponse) -> None:
    """Add the headers of every response, also to those that aiohttp makes."""
    if correlation_id() is None:
        enter_context(RequestContext(correlation_id=correlation_id_of(request)))
    if isinstance(response, web.HTTPException):
        # aiohttp's own text repeats what the client sent.
        message = _MESSAGES_FOR_AIOHTTP.get(response.status, "The request cannot be answered.")
        body = error_body(BadInput(message))
        response.body = body
        response.headers.update({**HEADERS, "Content-Length": str(len(body))})
    response.headers.update(ALWAYS)
    response.headers.update(correlation_header())


async def _dispatch(handlers: Mapping[str, _Handler], request: web.Request) -> web.Response:
    """Respond to a request for an existing path, by its method."""
    method = "GET" if request.method == "HEAD" else request.method  # aiohttp omits the body of a response to HEAD
    handler = handlers.get(method)
    try:
        require_http_1(request)
        if handler is not None:
            return await handler(request)
        headers = {"Allow": ", ".join([*handlers, *(["HEAD"] if "GET" in handlers else []), "OPTIONS"])}
        if method == "OPTIONS":
            return web.Response(status=204, headers=headers)
        return invalid_request(InvalidRequestError(f"This path takes {headers['Allow']}.", status=405, headers=headers))
    except InvalidRequestError as error:
        return invalid_request(error)
    except ConnectionError:
        logger.info("request", operation="refused", status=None, outcome="error", error="CLIENT_LEFT")
        raise


async def _not_found(request: web.Request) -> web.Response:
    """Respond to a request for any other path with the path of the API."""
    is_misspelt = request.path.strip("/").lower() == "graphql"
    reason = (
        "The path ends with a slash too many or is spelt otherwise" if is_misspelt else "There is nothing at this path"
    )
    message = f"{reason}: the API is at /graphql, health at /health/ready."
    return invalid_request(InvalidRequestError(message, status=404))
