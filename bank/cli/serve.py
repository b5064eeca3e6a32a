"""`bank serve`: a worker that serves the API."""

import asyncio
import contextlib
import gc
import os
import signal
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click
import structlog

from bank.api.engine import create_engine
from bank.api.request_handler import GraphQLRequestHandler
from bank.api.scalars import SCALARS
from bank.api.schema import load_sdl
from bank.api.server import serving_http
from bank.app import build_bank, running
from bank.background import BackgroundTasks
from bank.cli.environment import DATA_FOLDER
from bank.cli.file_limit import connections_within_file_limit
from bank.cli.own_servers import Server, keep_running, own_servers
from bank.errors import BadInput
from bank.graphql.validation.validator import DocumentValidator
from bank.settings import Settings, SettingsError, load_settings, unknown_settings
from bank.telemetry.logs import configure_logs, stderr_as_log

logger = structlog.get_logger(__name__)


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="The port; 0 takes any.")
@click.option(
    "--data",
    default=DATA_FOLDER,
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder for the data of the bank's own servers, if DATABASE_URL and REDIS_URL are not set.",
)
def serve(host: str, port: int, data: Path) -> None:
    """Serve the GraphQL API until interrupted."""
    sock = _listen(host, port)
    with _configured(data) as (settings, servers):
        configure_logs(settings.log_level)
        for unknown in unknown_settings(os.environ):
            logger.warning("unknown_setting", variable=unknown.name, did_you_mean=unknown.nearest)
        with stderr_as_log(), asyncio.Runner() as runner:
            _use_eager_tasks(runner.get_loop())
            runner.run(serve_until_stopped(settings, sock, servers))


async def serve_until_stopped(settings: Settings, sock: socket.socket, servers: Sequence[Server] = ()) -> None:
    """Serve on a listening socket until SIGTERM or SIGINT; then finish the requests in flight, and stop.

    `servers` are the bank's own servers, which are restarted when they end.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sdl = load_sdl()
    engine = await create_engine(sdl)
    async with running(build_bank(settings)) as bank:
        handler = GraphQLRequestHandler(bank, DocumentValidator(sdl, codecs=SCALARS), engine)
        metrics_sock = _listen(*settings.metrics_address) if settings.metrics_address else None
        connections_max = connections_within_file_limit()
        async with serving_http(bank, handler, sock, metrics_sock=metrics_sock, connections_max=connections_max):
            tune_garbage_collection()
            logger.info(
                "serving",
                url=f"http://{_address(sock)}/graphql",
                metrics=f"http://{_address(metrics_sock or sock)}/metrics",
                connections=connections_max,
                pid=os.getpid(),
            )
            tasks = BackgroundTasks()
            if servers:
                tasks.start("own_servers", keep_running(servers).run())
            await stop.wait()
            logger.info("stopping")
            await tasks.cancel()
        await handler.close()
    logger.info("stopped")


def _address(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _use_eager_tasks(loop: asyncio.AbstractEventLoop) -> None:
    # Eager tasks give a third more GraphQL operations a second (measured). Python 3.11 does not have them.
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)


def tune_garbage_collection() -> None:
    """Exclude the objects of the start from garbage collection, and collect less often, to avoid pauses."""
    gc.collect()
    gc.freeze()
    # A full batch has about 30,000 live objects. With a lower threshold, each batch would be traversed, which costs
    # 7 µs per posting.
    gc.set_threshold(50_000, 20, 50)


def _listen(host: str, port: int) -> socket.socket:
    # Before everything else, so that a port in use is reported before any server is started.
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        # asyncio and socket add the address to the text of the error; its number gives the plain text.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise BadInput(f"Cannot listen on {host} port {port}: {reason}.") from None


@contextlib.contextmanager
def _configured(data: Path) -> Iterator[tuple[Settings, list[Server]]]:
    """Yield the settings and the bank's own servers, which are started only if no server is configured."""
    given = [name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)]
    if len(given) == 1:
        missing = ({"DATABASE_URL", "REDIS_URL"} - set(given)).pop()
        raise SettingsError(f"{missing} is not set; set both URLs, or neither for the bank's own servers.")
    if given:
        yield load_settings(), []
        return
    with own_servers(data) as servers:
        yield load_settings(), servers
