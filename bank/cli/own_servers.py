"""The bank's own PostgreSQL and Valkey, for a bank without configured servers. Their data is kept in a folder."""

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

# A server that was killed needs a second or two to start, so that more frequent checks would not help.
CHECK_EVERY_S = 0.5

# The secrets that are made at the first start, unless they are set, and the files that they are kept in.
SECRET_FILES = {"BANK_TOKEN_SECRET": "token-secret", "BANK_MASTER_KEY": "master-key"}


class Server(Protocol):
    """A server process that can be started again on the same address."""

    name: ClassVar[str]

    def is_running(self) -> bool:
        """Return whether the server's process is alive."""

    def start(self) -> None:
        """Start the server; return when it accepts connections."""


@contextlib.contextmanager
def own_servers(data: Path) -> Iterator[list[Server]]:
    """Start both servers with their data in a folder, migrate, and set the environment variables with their URLs.

    Raises `BadInput` if the folder cannot be written, and `SettingsError` if the servers do not start.
    """
    # Imported only here, because a deployment has other servers, and does not install the packages of these.
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
    """Return the loop that restarts a server that has ended."""

    async def run_once() -> None:
        for server in servers:
            if not server.is_running():
                await _restart(server)

    return BackgroundLoop(name="own_servers", run_once=run_once, interval_s=CHECK_EVERY_S, begins_with_pause=True)


async def _restart(server: Server) -> None:
    """Start a server. A failure is logged, so that the other servers are restarted too; the next check tries again."""
    logger.warning("own_server_ended", server=server.name)
    try:
        await asyncio.to_thread(server.start)
    except Exception as error:  # noqa: BLE001 - the packages of the servers can raise any error
        raise_if_cancelled()
        logger.error("own_server_not_started", server=server.name, error=str(error))  # noqa: TRY400 - a sentence
    else:
        logger.warning("own_server_restarted", server=server.name)


def _prepare(data: Path) -> None:
    """Make the secret and the keys that are not set, and save the environment for other commands."""
    try:
        for variable, name in SECRET_FILES.items():
            if not os.environ.get(variable) and not os.environ.get(f"{variable}_FILE"):
                _use_saved_secret(variable, data / name)
        _use_saved_audit_files(data)
        os.environ.setdefault("BANK_ERASURES_FILE", str((data / "erasures.jsonl").resolve()))
        _save_environment(data)
    except OSError as error:
        raise _cannot_write(data, error) from error


def _make_private(data: Path) -> None:
    """Make the folder, accessible for its owner alone: it holds the secrets, and all data.

    The mode of an existing folder is changed only if the bank has used it before.
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


def _use_saved_secret(variable: str, path: Path) -> None:
    if not path.exists():
        _write_private(path, secrets.token_hex(32))
    path.chmod(0o600)
    os.environ[f"{variable}_FILE"] = str(path.resolve())


def _use_saved_audit_files(data: Path) -> None:
    if os.environ.get("BANK_AUDIT_KEY_FILE") or os.environ.get("BANK_AUDIT_HEADS_FILE"):
        return
    key = data / "audit-key.pem"
    if not key.exists():
        make_key(key, data / "audit-key.pub.pem")
    os.environ["BANK_AUDIT_KEY_FILE"] = str(key.resolve())
    os.environ["BANK_AUDIT_PUBLIC_KEY_FILE"] = str((data / "audit-key.pub.pem").resolve())
    os.environ["BANK_AUDIT_HEADS_FILE"] = str((data / "audit-heads.jsonl").resolve())


def _save_environment(data: Path) -> None:
    """Save the environment for other commands and workers, as a script for `source`.

    The script contains no secret, only the paths of the files with the secrets.
    """
    lines = [f"export {name}={shlex.quote(os.environ[name])}\n" for name in SAVED_NAMES if name in os.environ]
    _write_private(data / ENVIRONMENT_FILE, "".join(lines))


def _write_private(path: Path, text: str) -> None:
    """Write a file, readable for its owner alone, in one atomic step."""
    draft = path.with_name(f"{path.name}.{os.getpid()}.new")
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(text)
    draft.replace(path)
