"""Serving of the HTTP API on listening sockets."""

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiohttp import web

from bank.api.application import build_application, build_metrics_application
from bank.api.connection_limits import ConnectionLimits
from bank.api.connections import ClientSite
from bank.api.request_handler import GraphQLRequestHandler
from bank.app import Bank


@asynccontextmanager
async def serving_http(
    bank: Bank,
    handler: GraphQLRequestHandler,
    sock: socket.socket,
    *,
    metrics_sock: socket.socket | None = None,
    connections_max: int = 10_000,
) -> AsyncIterator[None]:
    """Serve on listening sockets. On exit, answer the requests that have begun, and stop.

    The metrics are served on `metrics_sock`. Without it the API's socket serves them, to clients on this machine only.
    """
    settings = bank.settings
    limits = ConnectionLimits(
        total=connections_max,
        # At most half of all, so that one address alone cannot lock out all other clients.
        per_address=min(settings.connections_per_address, max(connections_max // 2, 1)),
        trusted=settings.trusted_proxies,
    )
    applications = [(build_application(bank, handler, public_metrics=metrics_sock is None), sock, limits)]
    if metrics_sock is not None:
        # Enough for a few scrapers.
        applications.append((build_metrics_application(bank), metrics_sock, ConnectionLimits(16, 16)))
    runners = []
    try:
        for application, listening, bounds in applications:
            runner = web.AppRunner(
                application, access_log=None, handle_signals=False, shutdown_timeout=settings.shutdown_timeout_s
            )
            runners.append(runner)
            await runner.setup()
            await ClientSite(runner, listening, bounds).start()
        yield
    finally:
        for runner in runners:
            await runner.cleanup()
