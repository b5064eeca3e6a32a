"""The metrics endpoint, in the text format of Prometheus (S7)."""

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from bank.api.error_responses import InvalidRequestError
from bank.api.middleware.client_address import read_address


async def metrics(_request: web.Request) -> web.Response:
    """Return every metric of this process."""
    return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


async def local_metrics(request: web.Request) -> web.Response:
    """Return every metric to a client on this machine that connects without a proxy; 404 to any other client."""
    peer = read_address(request.remote or "")
    forwarded = "X-Forwarded-For" in request.headers or "Forwarded" in request.headers
    if peer is None or not peer.is_loopback or forwarded:
        raise InvalidRequestError("Metrics are for this machine, or at BANK_METRICS_ADDRESS.", status=404)
    return await metrics(request)
