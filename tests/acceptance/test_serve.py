"""`bank serve` as a process: it starts or ends with one sentence, stops gracefully, and survives kill -9."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
import asyncpg
import pytest

from bank.clock import SystemClock
from bank.database.migrate import expected_level
from bank.encryption.cipher import PersonalTextCipher
from bank.encryption.keys import DataKeys
from bank.encryption.master_key import MasterKey
from fixtures.ports import free_ports
from tests.integration.api import Client
from tests.integration.encryption import MASTER_KEY, TOKEN_SECRET, plain_rows, set_role

Environment: TypeAlias = dict[str, Any]
"""Variables for `**`. Their values are Any, so that mypy does not compare them with parameters of other types."""

ENVIRONMENT: Environment = {
    "BANK_TOKEN_SECRET": TOKEN_SECRET, "BANK_MASTER_KEY": MASTER_KEY, "BANK_STAFF_SECOND_FACTOR": "optional"
}  # fmt: skip


def _environment(**given: str) -> dict[str, str]:
    inherited = {
        name: value for name, value in os.environ.items() if not name.startswith(("BANK_", "DATABASE_", "REDIS_"))
    }
    return {**inherited, **given}


def _bank(*arguments: str, cwd: Path | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bank", *arguments],
        env=_environment(**environment), cwd=cwd, capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


class Server:
    """A `bank serve` process and its address."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.url = f"http://127.0.0.1:{port}"

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            assert self.process.poll() is None, "the server ended"
            try:
                with urllib.request.urlopen(f"{self.url}/health/ready", timeout=2):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                time.sleep(0.05)
        pytest.fail("the server did not become ready")


@contextmanager
def serving(
    log: Path,
    *arguments: str,
    port: int | None = None,
    cwd: Path | None = None,
    before: tuple[str, ...] = (),
    **environment: str,
) -> Iterator[Server]:
    port = port or free_ports(1)[0]
    with log.open("ab") as stderr:
        process = subprocess.Popen(
            [*before, sys.executable, "-m", "bank", "serve", "--port", str(port), *arguments],
            env=_environment(**environment), cwd=cwd, stderr=stderr,
        )  # fmt: skip
    server = Server(process, port)
    try:
        server.wait_until_ready()
        yield server
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        process.wait(timeout=30)


def _sentence(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 2
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    return lines[0]


def test_a_port_in_use_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = _bank(
            "serve", "--port", str(port), DATABASE_URL="postgresql://x/b", REDIS_URL="redis://x", **ENVIRONMENT
        )
    assert _sentence(done) == f"bank: Cannot listen on 127.0.0.1 port {port}: Address already in use."


def test_a_database_that_does_not_answer_is_one_sentence(redis_url: str) -> None:
    url = "postgresql://bank@127.0.0.1:1/bank"
    done = _bank("serve", "--port", "0", DATABASE_URL=url, REDIS_URL=redis_url, **ENVIRONMENT)
    assert _without_logs(done.stderr).startswith("bank: The database does not answer")
    assert done.returncode == 2


# The server has the bank's role, because another of its databases is migrated.
@pytest.mark.usefixtures("database_url")
def test_a_database_that_is_not_migrated_is_one_sentence(postgres_url: str, redis_url: str) -> None:
    done = _bank("serve", "--port", "0", DATABASE_URL=postgres_url, REDIS_URL=redis_url, **ENVIRONMENT)
    assert _without_logs(done.stderr).strip() == (
        f"bank: The database is not migrated at all, this bank needs {expected_level()}: run `bank migrate` first."
    )
    assert done.returncode == 2


def _without_logs(stderr: str) -> str:
    return "\n".join(line for line in stderr.splitlines() if not line.startswith("{"))


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"DATABASE_URL": "mysql://x", "REDIS_URL": "redis://x", **ENVIRONMENT},
         "bank: DATABASE_URL is wrong: must look like postgresql://user:password@host:5432/bank."),
        ({"DATABASE_URL": "postgresql://x/b", "REDIS_URL": "redis://x"},
         "bank: BANK_TOKEN_SECRET is not set. BANK_MASTER_KEY is not set."),
        ({"DATABASE_URL": "postgresql://x/b", "REDIS_URL": "redis://x", **ENVIRONMENT, "BANK_TOKEN_SECRET": "short"},
         "bank: BANK_TOKEN_SECRET is wrong: must be at least 32 bytes of randomness, for example from"
         " `openssl rand -hex 32`."),
        ({"DATABASE_URL": "postgresql://x/b"},
         "bank: REDIS_URL is not set; set both URLs, or neither for the bank's own servers."),
        ({"DATABASE_URL": "postgresql://x/b", "REDIS_URL": "redis://x", "BANK_LOG_LEVEL": "loud", **ENVIRONMENT},
         "bank: BANK_LOG_LEVEL is wrong: input should be 'debug', 'info', 'warning' or 'error'."),
        ({"DATABASE_URL": "postgresql://x/b", "REDIS_URL": "redis://x", "BANK_DATABASE_POOL_SIZE": "1", **ENVIRONMENT},
         "bank: BANK_DATABASE_POOL_SIZE is wrong: input should be greater than or equal to 4."),
        ({"DATABASE_URL": "postgresql://x/b", "REDIS_URL": "redis://x", "BANK_TRUSTED_PROXIES": "proxy", **ENVIRONMENT},
         "bank: BANK_TRUSTED_PROXIES is wrong: must be addresses and networks such as 10.0.0.0/8, separated by"
         " commas."),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_named_with_the_permitted_values(environment: Environment, sentence: str) -> None:
    assert _sentence(_bank("serve", "--port", "0", **environment)) == sentence


def test_an_administrator_is_created_once(database_url: str) -> None:
    def create() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "bank", "users", "create-admin", "--email", "Root@Example.com", "--password-stdin"],
            env=_environment(DATABASE_URL=database_url, **ENVIRONMENT), input="an umbrella for Tuesday\n",
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    first, second = create(), create()
    assert (first.returncode, first.stdout) == (0, "root@example.com is an administrator.\n")
    assert (second.returncode, second.stderr) == (2, "bank: This e-mail address belongs to another customer.\n")
    unknown = _bank("users", "set-role", "nobody@example.com", "operator", DATABASE_URL=database_url, **ENVIRONMENT)
    assert _sentence(unknown) == "bank: There is no user nobody@example.com."


def test_a_bank_without_configuration_starts_its_servers_and_keeps_their_data(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(log, cwd=tmp_path) as server:
        email = asyncio.run(_register(server.url))
    assert f"their data is kept in {tmp_path / 'bank-data'}" in log.read_text()
    with serving(log, cwd=tmp_path) as server:
        assert asyncio.run(_can_log_in(server.url, email))


async def _register(url: str) -> str:
    async with aiohttp.ClientSession() as http:
        email = "kept@example.com"
        await Client(http, url).person(email=email)
        return email


async def _can_log_in(url: str, email: str) -> bool:
    async with aiohttp.ClientSession() as http:
        return (await Client(http, url).login(email)).token is not None


async def _prepare(url: str, database_url: str) -> tuple[str, dict[str, str], dict[str, str]]:
    """Return the token and the two accounts of a user with R$ 100.00."""
    async with aiohttp.ClientSession() as http:
        client = Client(http, url)
        person = await client.person(email="ana@example.com")
        first, second = await person.account("a"), await person.account("b")
        await client.person(email="root@example.com")
        connection = await asyncpg.connect(database_url)
        await set_role(connection, "root@example.com", "ADMIN", master_key=ENVIRONMENT["BANK_MASTER_KEY"])
        await connection.close()
        await (await client.login("root@example.com")).deposit(first["number"], "100.00", "d")
        assert person.token
        return person.token, first, second


async def _transfer_until_stopped(
    url: str, token: str, from_id: str, to_number: str, started: asyncio.Event
) -> list[str]:
    """Transfer a cent at a time with eight callers until the bank has stopped. Returns the acknowledged keys."""
    acknowledged: list[str] = []

    async def call(http: aiohttp.ClientSession, caller: int) -> None:
        person = Client(http, url, token)
        for number in range(1_000):
            key = f"{caller}-{number}"
            try:
                reply = await person.transfer(from_id, to_number, "0.01", key)
            except (aiohttp.ClientError, ConnectionError, TimeoutError):
                return
            if reply.status != 200 or reply.body.get("errors"):
                return
            acknowledged.append(key)
            if len(acknowledged) >= 40:
                started.set()

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
        await asyncio.gather(*[call(http, caller) for caller in range(8)])
    return acknowledged


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
def test_no_acknowledged_transfer_is_lost_by_a_stop_or_a_kill(
    database_url: str, redis_url: str, tmp_path: Path, how: signal.Signals
) -> None:
    environment: Environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **ENVIRONMENT}
    log, port = tmp_path / "log", free_ports(1)[0]

    async def bank_and_stop(server: Server) -> tuple[list[str], dict[str, str]]:
        token, first, second = await _prepare(server.url, database_url)
        started = asyncio.Event()
        banking = asyncio.create_task(
            _transfer_until_stopped(server.url, token, first["id"], second["number"], started)
        )
        await started.wait()
        server.process.send_signal(how)
        return await banking, first

    with serving(log, port=port, **environment) as server:
        acknowledged, account = asyncio.run(bank_and_stop(server))
    with serving(log, port=port, **environment) as server:
        effects, balance = asyncio.run(_effects(database_url, account["id"]))
        assert asyncio.run(_caught_up(database_url))
    assert set(acknowledged) <= effects
    assert balance == 10_000 - len(effects)
    if how is signal.SIGTERM:
        # Requests in flight were finished and answered, so there is no effect without an answer.
        assert set(acknowledged) == effects
        assert [json.loads(line)["event"] for line in log.read_text().splitlines() if "stop" in line][:2] == [
            "stopping",
            "stopped",
        ]


def _environment_of(path: Path) -> Environment:
    """Return the environment of a shell after it has read a file of exports."""
    script = f". '{path}'; env -0"
    printed = subprocess.run(["bash", "-c", script], env={"PATH": os.environ["PATH"]}, capture_output=True, check=True)
    pairs = [line.split("=", 1) for line in printed.stdout.decode().split("\0") if line]
    return {name: value for name, value in pairs if name.startswith(("BANK_", "DATABASE_", "REDIS_"))}


@pytest.mark.timeout(120)
def test_more_workers_can_be_started_with_the_environment_file_of_a_bank(tmp_path: Path) -> None:
    async def bank(first: str, second: str) -> str:
        async with aiohttp.ClientSession() as http:
            person = await Client(http, first).person()
            return await _role(Client(http, second, person.token))

    with serving(tmp_path / "first.log", cwd=tmp_path) as first:
        environment = tmp_path / "bank-data" / "environment"
        secret = (tmp_path / "bank-data" / "token-secret").read_text()
        assert secret not in environment.read_text()
        with serving(tmp_path / "second.log", cwd=tmp_path, **_environment_of(environment)) as second:
            assert asyncio.run(bank(first.url, second.url)) == "CUSTOMER"


async def _effects(database_url: str, account_id: str) -> tuple[set[str], int]:
    connection = await asyncpg.connect(database_url)
    rows = await connection.fetch("select key from idempotency_keys where operation = 'transfer'")
    balance: int = await connection.fetchval("select balance_minor from accounts where id = $1", account_id)
    await connection.close()
    return {row["key"] for row in rows}, balance


async def _caught_up(database_url: str) -> bool:
    connection = await asyncpg.connect(database_url)
    behind = "select exists (select from subscriber_positions s, event_log_head h where s.position < h.position)"
    async with asyncio.timeout(15):
        while await connection.fetchval(behind):
            await asyncio.sleep(0.02)
    await connection.close()
    return True


async def _role(client: Client) -> str:
    reply = await client.send("{ me { role } }")
    return str(reply.data["me"]["role"])


async def _role_and_cache(url: str, database_url: str) -> None:
    async with aiohttp.ClientSession() as http:
        person = await Client(http, url).person(email="ana@example.com")
        assert await _role(person) == "CUSTOMER"
        async with asyncio.timeout(10):
            while (await person.send("{ me { role } }")).headers["Cache-Status"] != "bank; hit":
                await asyncio.sleep(0.01)
        done = await asyncio.to_thread(
            _bank, "users", "set-role", "Ana@example.com", "operator", DATABASE_URL=database_url, **ENVIRONMENT
        )
        assert (done.returncode, done.stdout) == (0, "ana@example.com is operator now.\n")
        async with asyncio.timeout(10):
            # The old tokens have the old role: the worker is notified that their session is closed.
            while (await person.send("{ me { role } }")).code != "UNAUTHENTICATED":
                await asyncio.sleep(0.01)
            person = await Client(http, url).login("ana@example.com")
            while await _role(person) != "OPERATOR":
                await asyncio.sleep(0.01)


async def _audited_roles(database_url: str) -> list[tuple[str, str, str]]:
    assert await _caught_up(database_url)
    connection = await asyncpg.connect(database_url)
    cipher = PersonalTextCipher(DataKeys(None, MasterKey(ENVIRONMENT["BANK_MASTER_KEY"]), SystemClock()))  # type: ignore[arg-type]  # it only reads
    rows = await plain_rows(
        connection,
        cipher,
        "select old_values->>'role' as old, new_values->>'role' as new, user_agent from audit_logs"
        " where ip_address is null",
    )
    await connection.close()
    return [tuple(row.values()) for row in rows if str(row["user_agent"]).startswith("bank users set-role, run by ")]


def test_a_changed_role_appears_in_cached_answers_and_is_recorded(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    environment: Environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **ENVIRONMENT}
    with serving(tmp_path / "log", **environment) as server:
        asyncio.run(_role_and_cache(server.url, database_url))
        # Setting the same role again changes nothing and writes no event.
        again = _bank("users", "set-role", "ana@example.com", "operator", DATABASE_URL=database_url, **ENVIRONMENT)
        assert again.returncode == 0
        [(old, new, _)] = asyncio.run(_audited_roles(database_url))
    assert (old, new) == ("CUSTOMER", "OPERATOR")


WITH_FEW_FILES = ("sh", "-c", 'ulimit -Sn 256 && ulimit -Hn 1024 && exec "$@"', "sh")


async def _attack(url: str) -> list[int]:
    """Send data that is not HTTP, hold idle connections, and send requests. Returns the statuses of valid requests."""
    host, port = url.removeprefix("http://").split(":")
    secret = b"Bearer eyJhbGciOiJIUzI1NiJ9.secret.secret cpf=529.982.247-25"
    for sent in (b"GET / HTTP/1.1\r\nAuthorization: \x00" + secret + b"\r\n\r\n", secret + b"\r\n\r\n"):
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(sent)
        assert b" 400 " in await reader.readline()
        writer.close()
    idle = [await asyncio.open_connection(host, int(port)) for _ in range(1_100)]
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=20)) as http:
        statuses = [(await Client(http, url).send("{ __typename }")).status for _ in range(3)]
        async with http.get(f"{url}/metrics") as metrics:
            statuses.append(metrics.status)
    for _, writer in idle:
        writer.close()
    return statuses


@pytest.mark.timeout(120)
def test_many_idle_connections_block_no_client_and_every_log_line_is_masked_json(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    log, port = tmp_path / "log", free_ports(1)[0]
    environment: Environment = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **ENVIRONMENT}
    environment["BANK_METRICS_ADDRESS"] = f"127.0.0.1:{port}"
    with serving(log, before=WITH_FEW_FILES, **environment) as server:
        assert asyncio.run(_attack(server.url)) == [200, 200, 200, 404]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as metrics:
            assert b"bank_connections_closed_total" in metrics.read()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    [low] = [line for line in lines if line["event"] == "file_limit_low"]
    assert (low["limit"], low["connections"]) == (1024, 512)
    assert not [line for line in lines if line["level"] in {"error", "critical"}]
    assert "secret" not in log.read_text()
    assert "529.982" not in log.read_text()
