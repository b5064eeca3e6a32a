"""One PostgreSQL and one Valkey for a whole test run, started by the first test that needs them; one database per test.

Under pytest-xdist the controller owns the servers and sends their addresses over a Unix socket. So they live exactly as
long as the run, with any order of the workers.
"""

import os
import secrets
import shutil
import tempfile
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from multiprocessing.connection import Client, Listener
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit, urlunsplit

import pytest
import redis
import structlog

from bank.telemetry import context
from fixtures.backends import Backend, BackendUnavailable, open_backend
from fixtures.backends.reach import run_sql

TEMPLATE = "bank_template"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--update-schema",
        action="store_true",
        help="write anew what is made: bank/invariants/schema.json of the migrations, contracts/events/ of the classes",
    )


class Servers(Protocol):
    """Access of a test process to the servers of the run."""

    def addresses(self) -> tuple[str, str]:
        """The URL of PostgreSQL's database `bank`, which tests do not change, and the URL of Valkey's database 0."""

    def template(self) -> str:
        """The name of a migrated database to copy."""

    def close(self) -> None:
        """Stop the servers, if this process owns them."""


class OwnServers:
    """The servers, in the process that owns them: the only process of pytest, or the controller of xdist."""

    def __init__(self) -> None:
        self._stack = ExitStack()
        self._backend: Backend | None = None
        self._migrated = False
        self._listener: Listener | None = None

    def addresses(self) -> tuple[str, str]:
        if self._backend is None:
            folder = Path(tempfile.gettempdir()) / f"bank-tests-{secrets.token_hex(4)}"
            # No data of a test run is kept, so the server does not wait for the disk.
            self._backend = self._stack.enter_context(open_backend("embedded", folder=folder, durable=False))
        return self._backend.database_url, self._backend.redis_url

    def template(self) -> str:
        maintenance, _ = self.addresses()
        if not self._migrated:
            from bank.database.migrate import upgrade

            run_sql(maintenance, f"drop database if exists {TEMPLATE}", f"create database {TEMPLATE}")
            with ThreadPoolExecutor(max_workers=1) as thread:  # the migrations may run an event loop of their own
                thread.submit(upgrade, with_database(maintenance, TEMPLATE)).result()
            self._migrated = True
        return TEMPLATE

    def listen(self) -> tuple[str, str]:
        """Reply to workers from a thread, one after the other. Returns the socket's address and its key."""
        key = secrets.token_bytes(32)
        self._listener = Listener(family="AF_UNIX", authkey=key)
        threading.Thread(target=self._serve, args=(self._listener,), daemon=True).start()
        return str(self._listener.address), key.hex()

    def _serve(self, listener: Listener) -> None:
        while True:
            with listener.accept() as worker:
                question = worker.recv()
                if question == "close":
                    return
                try:
                    worker.send(("answer", self.template() if question == "template" else self.addresses()))
                except Exception as failed:  # noqa: BLE001 - the worker that asked raises it again
                    worker.send(("failed", f"{type(failed).__name__}: {failed}"))

    def close(self) -> None:
        if self._listener is not None:
            ask(str(self._listener.address), self._listener._authkey, "close")  # type: ignore[attr-defined]  # no public name
            self._listener.close()
        self._stack.close()


class ControllersServers:
    """The servers, seen from a worker of pytest-xdist."""

    def __init__(self, address: str, key: str) -> None:
        self._address, self._key = address, bytes.fromhex(key)

    def addresses(self) -> tuple[str, str]:
        database_url, redis_url = ask(self._address, self._key, "addresses")
        return database_url, redis_url

    def template(self) -> str:
        return str(ask(self._address, self._key, "template"))

    def close(self) -> None:
        """Do nothing: the controller owns the servers."""


def ask(address: str, key: bytes, question: str) -> Any:
    with Client(address, family="AF_UNIX", authkey=key) as controller:
        controller.send(question)
        if question == "close":
            return None
        kind, answer = controller.recv()
    if kind == "failed":
        raise BackendUnavailable(answer)
    return answer


def with_database(url: str, name: str) -> str:
    return urlunsplit(urlsplit(url)._replace(path=f"/{name}"))


SERVERS = pytest.StashKey[Servers]()


def pytest_configure(config: pytest.Config) -> None:
    # The tracebacks of structlog show every variable of every frame, which takes up to a minute for a running bank.
    plain = structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback)
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], plain])
    given = getattr(config, "workerinput", None)
    config.stash[SERVERS] = OwnServers() if given is None else ControllersServers(*given["bank_servers"])


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Pass the address of the controller's socket to an xdist worker before it starts."""
    servers = node.config.stash[SERVERS]
    if not hasattr(node.config, "bank_servers"):
        node.config.bank_servers = servers.listen()
    node.workerinput["bank_servers"] = node.config.bank_servers


def pytest_unconfigure(config: pytest.Config) -> None:
    if SERVERS in config.stash:
        config.stash[SERVERS].close()


@pytest.fixture(autouse=True)
def no_request_context() -> None:
    """Begin outside of any request, even if an earlier test did not leave the context of one."""
    context._current.set(None)


@pytest.fixture(scope="session")
def servers(request: pytest.FixtureRequest) -> Servers:
    return request.config.stash[SERVERS]


@pytest.fixture
def postgres_url(servers: Servers) -> Iterator[str]:
    """A new, empty database."""
    yield from fresh_database(servers, "template1")


@pytest.fixture
def database_url(servers: Servers) -> Iterator[str]:
    """A new database on the newest migration."""
    yield from fresh_database(servers, servers.template())


def fresh_database(servers: Servers, template: str) -> Iterator[str]:
    maintenance, _ = servers.addresses()
    name = f"test_{uuid.uuid4().hex[:12]}"
    # Without waiting for the disk, copying files takes a third of the time that copying through the WAL takes.
    run_sql(maintenance, f"create database {name} template {template} strategy file_copy")
    yield with_database(maintenance, name)
    # A failed test may have left connections, so they are closed by force.
    run_sql(maintenance, f"drop database {name} with (force)")


@pytest.fixture
def redis_url(servers: Servers) -> str:
    """An empty Valkey database; each xdist worker has its own."""
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    _, url = servers.addresses()
    url = urlunsplit(urlsplit(url)._replace(path=f"/{worker}"))
    with redis.Redis.from_url(url) as client:
        client.flushdb()
    return url


@pytest.fixture
def servers_folder() -> Iterator[Path]:
    """A folder for the data of servers of one test; the test makes it.

    It is not under `tmp_path`: as root, servers run as another account, and every start of pytest closes the folder
    above all `tmp_path`s to other accounts.
    """
    folder = Path(tempfile.gettempdir()) / f"bank-test-{secrets.token_hex(4)}"
    yield folder
    if folder.exists():
        shutil.rmtree(folder)


@pytest.fixture
def durable_backend(servers_folder: Path) -> Iterator[Backend]:
    """A pair of servers for one test, to kill and restart. Acknowledged writes are on the disk."""
    with open_backend("embedded", folder=servers_folder) as backend:
        yield backend
