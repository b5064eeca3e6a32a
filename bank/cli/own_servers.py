"""PostgreSQL and Valkey of the bank's own, for whoever has configured none: started, kept running, their data kept."""

import asyncio
import contextlib
import os
import secrets
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import ClassVar, Protocol

import click
import structlog

from bank.audit.keys import make_key
from bank.background import BackgroundLoop
from bank.cancelling import raise_if_cancelled
from bank.cli.environment import ENVIRONMENT_FILE, SAVED_NAMES
from bank.database.migrate import upgrade
from bank.errors import BadInput
from bank.settings import SettingsError

logger = structlog.get_logger(__name__)

# A server that was killed answers again within a second or two; looking more often would not make that shorter.
LOOK_EVERY_S = 0.5


class Server(Protocol):
    """A server process that can be started again on the same address."""

    name: ClassVar[str]

    def is_running(self) -> bool:
        """Return whether the server's process is alive."""

    def start(self) -> None:
        """Start the server; return when it answers."""


@contextlib.contextmanager
def own_servers(data: Path) -> Iterator[list[Server]]:
    """Start both servers with their data in a folder, migrate, and set the environment variables that name them.

    Raises `BadInput` where the folder cannot be written, `SettingsError` where the servers do not start.
    """
    # Only here: a deployment has servers of its own, and not the packages that bring them.
    from fixtures.backends import BackendUnavailable, open_backend  # noqa: PLC0415

    try:
        _make_private(data)
        click.echo(f"bank: starting PostgreSQL and Valkey; their data is kept in {data.resolve()}", err=True)
        with open_backend("embedded", folder=data, keep=True) as backend:
            os.environ["DATABASE_URL"] = backend.database_url
            os.environ["REDIS_URL"] = backend.redis_url
            _prepare(data)
            upgrade(backend.database_url)
            yield [server for server in (backend.postgres, backend.valkey) if server is not None]
    except BackendUnavailable as error:
        raise SettingsError(str(error)) from error


def keep_running(servers: Sequence[Server]) -> BackgroundLoop:
    """Return the loop that starts again whichever server has ended."""

    async def run_once() -> None:
        for server in servers:
            if not server.is_running():
                await _start_again(server)

    return BackgroundLoop(name="own_servers", run_once=run_once, interval_s=LOOK_EVERY_S, begins_with_pause=True)


async def _start_again(server: Server) -> None:
    """Start a server; one that does not start does not keep the others from it, and is tried again next time."""
    logger.warning("own_server_ended", server=server.name)
    try:
        await asyncio.to_thread(server.start)
    except Exception as error:  # noqa: BLE001 - the packages of the servers raise what they like
        raise_if_cancelled()
        logger.error("own_server_not_started", server=server.name, error=str(error))  # noqa: TRY400 - a sentence
    else:
        logger.warning("own_server_started_again", server=server.name)


def _prepare(data: Path) -> None:
    """Make the secret and the keys that are not given, and write down what other commands need."""
    try:
        secret_file = None if os.environ.get("BANK_TOKEN_SECRET") else _use_saved_secret(data)
        _use_saved_audit_files(data)
        _save_environment(data, secret_file)
    except OSError as error:
        raise _cannot_write(data, error) from error


def _make_private(data: Path) -> None:
    """Make the folder, for nobody else to enter: it holds the secret that signs tokens, and everybody's data.

    A folder that is there is closed to others only where it is one of ours.
    """
    try:
        if not data.exists():
            data.mkdir(parents=True, mode=0o700)
        elif (data / "token-secret").exists():
            data.chmod(0o700)
        if not os.access(data, os.W_OK | os.X_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise _cannot_write(data, error) from error


def _cannot_write(data: Path, error: OSError) -> BadInput:
    return BadInput(f"The bank cannot keep its data in {data}: {error.strerror or error}.")


def _use_saved_secret(data: Path) -> Path:
    path = data / "token-secret"
    if not path.exists():
        _write_private(path, secrets.token_hex(32))
    path.chmod(0o600)
    os.environ["BANK_TOKEN_SECRET"] = path.read_text()
    return path.resolve()


def _use_saved_audit_files(data: Path) -> None:
    if os.environ.get("BANK_AUDIT_KEY_FILE") or os.environ.get("BANK_AUDIT_HEADS_FILE"):
        return
    key = data / "audit-key.pem"
    if not key.exists():
        make_key(key, data / "audit-key.pub.pem")
    os.environ["BANK_AUDIT_KEY_FILE"] = str(key.resolve())
    os.environ["BANK_AUDIT_PUBLIC_KEY_FILE"] = str((data / "audit-key.pub.pem").resolve())
    os.environ["BANK_AUDIT_HEADS_FILE"] = str((data / "audit-heads.jsonl").resolve())


def _save_environment(data: Path, secret_file: Path | None) -> None:
    """Write down what other commands and workers need here: for `source`, and with no secret, but where one is."""
    lines = [f"export {name}={shlex.quote(os.environ[name])}\n" for name in SAVED_NAMES if name in os.environ]
    if secret_file is not None:
        lines.append(f'export BANK_TOKEN_SECRET="$(cat {shlex.quote(str(secret_file))})"\n')
    _write_private(data / ENVIRONMENT_FILE, "".join(lines))


def _write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read, whole or not at all."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
