"""`bank serve`."""

import asyncio
import contextlib
import gc
import os
import secrets
import shlex
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import structlog
from aiohttp import web

from bank.api.answer import Answerer
from bank.api.engine import SCHEMA_NAME, GraphQLEngine
from bank.api.gate import Gate
from bank.api.http import build_web_application
from bank.api.schema import load_sdl
from bank.app import build_bank, running
from bank.audit.keys import make_key
from bank.database.migrate import upgrade
from bank.errors import BadInput
from bank.settings import Settings, SettingsError, load_settings
from bank.telemetry.logs import configure_logs

logger = structlog.get_logger(__name__)

RESOLVERS = [f"bank.api.resolvers.{noun}" for noun in ("identity", "accounts", "states", "transfers", "holds", "audit")]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535), help="The port; 0 takes any.")
@click.option(
    "--data",
    default="bank-data",
    show_default=True,
    type=click.Path(file_okay=False, path_type=Path),
    help="Where the bank's own servers keep their data, when DATABASE_URL and REDIS_URL are not set.",
)
def serve(host: str, port: int, data: Path) -> None:
    """Serve the GraphQL API until interrupted."""
    sock = _listen(host, port)
    with _configured(data) as settings:
        configure_logs(settings.log_level)
        with asyncio.Runner() as runner:
            _use_eager_tasks(runner.get_loop())
            runner.run(serve_until_stopped(settings, sock))


async def serve_until_stopped(settings: Settings, sock: socket.socket) -> None:
    """Serve on a listening socket until SIGTERM or SIGINT; then let requests in flight finish, and stop."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    sdl = load_sdl()
    engine = await GraphQLEngine.create(sdl, RESOLVERS, SCHEMA_NAME)
    async with running(build_bank(settings)) as bank:
        answerer = Answerer(bank, Gate(sdl), engine)
        runner = web.AppRunner(
            build_web_application(bank, answerer),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=settings.shutdown_timeout_s,
        )
        await runner.setup()
        await web.SockSite(runner, sock).start()
        collect_seldom()
        host, port = sock.getsockname()[:2]
        logger.info("serving", url=f"http://{host}:{port}/graphql", pid=os.getpid())
        await stop.wait()
        logger.info("stopping")
        await runner.cleanup()
        await answerer.close()
    logger.info("stopped")


def _use_eager_tasks(loop: asyncio.AbstractEventLoop) -> None:
    # Tasks that begin at once: a third more GraphQL operations a second (measured). Python 3.11 has none.
    if sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)


def collect_seldom() -> None:
    """Tell the garbage collector that what is there now stays: walking it each time would hold everybody up."""
    gc.collect()
    gc.freeze()
    # A full batch has some 30,000 objects in hand, all alive: with less, each batch is walked (7 µs a posting).
    gc.set_threshold(50_000, 20, 50)


def _listen(host: str, port: int) -> socket.socket:
    # First of all, so that a port in use is known before anything is started.
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        # asyncio and socket add an address to the text; the number alone gives the plain reason.
        reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)
        raise BadInput(f"Cannot listen on {host} port {port}: {reason}.") from None


@contextlib.contextmanager
def _configured(data: Path) -> Iterator[Settings]:
    """Yield the settings; with neither server named, start both and keep their data."""
    given = [name for name in ("DATABASE_URL", "REDIS_URL") if os.environ.get(name)]
    if given:
        if len(given) == 1:
            missing = ({"DATABASE_URL", "REDIS_URL"} - set(given)).pop()
            raise SettingsError(f"{missing} is not set; set both URLs, or neither for the bank's own servers.")
        yield load_settings()
        return
    # Only here: a deployment has servers of its own, and not the packages that bring them.
    from fixtures.backends import BackendUnavailable, open_backend  # noqa: PLC0415

    data.mkdir(parents=True, exist_ok=True)
    click.echo(f"bank: starting PostgreSQL and Valkey; their data is kept in {data.resolve()}", err=True)
    try:
        with open_backend("embedded", folder=data, keep=True) as backend:
            os.environ["DATABASE_URL"] = backend.database_url
            os.environ["REDIS_URL"] = backend.redis_url
            secret_file = None if os.environ.get("BANK_TOKEN_SECRET") else _use_kept_secret(data)
            _keep_audit_files(data)
            _keep_environment(data, secret_file)
            upgrade(backend.database_url)
            yield load_settings()
    except BackendUnavailable as error:
        raise SettingsError(str(error)) from error


def _use_kept_secret(data: Path) -> Path:
    path = data / "token-secret"
    if not path.exists():
        path.touch(mode=0o600)
        path.write_text(secrets.token_hex(32))
    os.environ["BANK_TOKEN_SECRET"] = path.read_text()
    return path.resolve()


def _keep_audit_files(data: Path) -> None:
    if os.environ.get("BANK_AUDIT_KEY_FILE") or os.environ.get("BANK_AUDIT_HEADS_FILE"):
        return
    key = data / "audit-key.pem"
    if not key.exists():
        make_key(key, data / "audit-key.pub.pem")
    os.environ["BANK_AUDIT_KEY_FILE"] = str(key.resolve())
    os.environ["BANK_AUDIT_PUBLIC_KEY_FILE"] = str((data / "audit-key.pub.pem").resolve())
    os.environ["BANK_AUDIT_HEADS_FILE"] = str((data / "audit-heads.jsonl").resolve())


def _keep_environment(data: Path, secret_file: Path | None) -> None:
    """Write down what other commands and workers need here: for `source`, and with no secret, but where one is."""
    names = (
        "DATABASE_URL",
        "REDIS_URL",
        "BANK_AUDIT_KEY_FILE",
        "BANK_AUDIT_HEADS_FILE",
        "BANK_AUDIT_PUBLIC_KEY_FILE",
    )
    lines = [f"export {name}={shlex.quote(os.environ[name])}\n" for name in names if name in os.environ]
    if secret_file is not None:
        lines.append(f'export BANK_TOKEN_SECRET="$(cat {shlex.quote(str(secret_file))})"\n')
    (data / "environment").write_text("".join(lines))
