"""The start of the system under test: PostgreSQL and Redis, the migration, the first administrator, and the workers."""

import asyncio
import os
import secrets
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fixtures.backends import Backend, BackendKind, BackendUnavailable, open_backend
from fixtures.ports import NoFreePortError, free_ports
from simulation.client.authenticator import Authenticator, read_authenticator
from simulation.model.people import Person
from simulation.model.progress import Progress
from simulation.mutants import MARKER, REACHED
from simulation.stack.commands import BANK, CouldNotRunError, run_command
from simulation.stack.emptiness import require_empty
from simulation.stack.orphan_guard import OrphanGuard
from simulation.stack.workers import Worker, Workers

STOPPING = "Stopping the bank"


@dataclass(frozen=True, slots=True)
class Servers:
    """The servers of the bank. The two URLs are for the external backend only."""

    backend: BackendKind = "embedded"
    database_url: str | None = None
    redis_url: str | None = None


@contextmanager
def open_servers(servers: Servers) -> Iterator[Backend]:
    """Provide PostgreSQL and Redis. Raises CouldNotRunError if they are not available."""
    folder = Path(tempfile.gettempdir()) / f"bank-simulation-{secrets.token_hex(4)}"
    try:
        with open_backend(
            servers.backend,
            folder=folder,
            keep=False,
            database_url=servers.database_url,
            redis_url=servers.redis_url,
        ) as backend:
            yield backend
    except BackendUnavailable as error:
        raise CouldNotRunError(str(error)) from error


@dataclass(frozen=True, slots=True)
class Stack:
    """The running bank. No log may contain `token_secret`, which signs its access tokens, or `master_key`.

    `authenticator` is that of the teller.
    """

    workers: Workers
    token_secret: str
    master_key: str
    environment: Mapping[str, str]
    authenticator: Authenticator

    @property
    def urls(self) -> list[str]:
        """The base URL of each worker."""
        return [worker.url for worker in self.workers.all]

    @property
    def logs(self) -> list[Path]:
        """The log of each worker."""
        return [worker.log for worker in self.workers.all]


@asynccontextmanager
async def open_stack(
    backend: Backend,
    *,
    teller: Person,
    workers: int,
    logs: Path,
    mutant: str | None,
    progress: Progress,
    settings: Mapping[str, str],
    redis_urls: Sequence[str] = (),
) -> AsyncIterator[Stack]:
    """Start the bank on `backend`. Raises CouldNotRunError if it does not start, or if the database is in use.

    Its workers log into the folder `logs` and have the `settings`. `redis_urls` has a Redis URL for each worker,
    if these differ. A mutant patches its bug into the workers, but not into the migration and the creation of the
    administrator.
    """
    token_secret, master_key = secrets.token_hex(32), secrets.token_hex(32)
    environment = {
        **os.environ,
        "DATABASE_URL": backend.database_url,
        "REDIS_URL": backend.redis_url,
        "BANK_TOKEN_SECRET": token_secret,
        "BANK_MASTER_KEY": master_key,
        # The teller's opening deposits go up to 600,000.00, and nobody in a run approves them.
        "BANK_APPROVAL_ABOVE": "1000000.00",
        # The customers of a run have no authenticator app, and try to pay up to 990,000.00, which they do not have.
        "BANK_STEP_UP_ABOVE": "1000000.00",
        **settings,
    }
    if backend.kind == "external":
        progress.step("Checking that the servers are empty")
        await require_empty(backend)
    progress.step("Migrating the database")
    await run_command([*BANK, "migrate"], environment, log=logs / "bank-migrate.log")
    progress.step(f"Starting {workers} worker{'s' if workers > 1 else ''} of the bank")
    create = [*BANK, "users", "create-admin", "--email", teller.email, "--name", teller.full_name]
    create += ["--password-stdin", "--second-factor"]
    if mutant is not None:
        marker = (logs / MARKER).absolute()
        marker.unlink(missing_ok=True)
        environment[REACHED] = str(marker)
    bank = BANK if mutant is None else (sys.executable, "-m", "simulation.mutants.serve", mutant)
    with OrphanGuard() as orphan_guard:
        running = Workers(
            [
                Worker(
                    f"worker-{number}",
                    port,
                    [*bank, "serve"],
                    {**environment, "REDIS_URL": redis_urls[number] if redis_urls else backend.redis_url},
                    _fresh(logs / f"worker-{number}.log"),
                )
                for number, port in enumerate(worker_ports(workers))
            ],
            orphan_guard,
        )
        log = logs / "bank-create-admin.log"
        stdin = teller.password + "\n"
        creating = asyncio.create_task(run_command(create, environment, log=log, stdin=stdin, is_secret=True))
        try:
            await running.start()
            authenticator = read_authenticator(await creating)
            yield Stack(running, token_secret, master_key, environment, authenticator)
        finally:
            progress.step(STOPPING)
            creating.cancel()
            await asyncio.gather(creating, return_exceptions=True)
            await running.stop()


def worker_ports(count: int) -> list[int]:
    """Return a port for each worker. Raises CouldNotRunError if there are not enough free ones."""
    try:
        return free_ports(count)
    except NoFreePortError as error:
        raise CouldNotRunError(f"there is no port for every worker: {error}") from error


def _fresh(log: Path) -> Path:
    log.write_bytes(b"")
    return log
