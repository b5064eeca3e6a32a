"""A database URL with TLS gets it on every connection, or no connection; a URL without TLS works without it."""

import asyncio
import contextlib
import ipaddress
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from bank.cli.main import main
from bank.database.migrate import upgrade
from bank.database.pool import Database
from bank.errors import Unavailable
from bank.invariants.verify import verify
from bank.settings import SettingsError
from fixtures.faults import through_proxy, upstream_of
from fixtures.faults.postgres import PostgresProxy
from tests.integration.api import serving, settings_for
from tests.integration.every_request import EveryRequest

SET_ROLE = ["users", "set-role", "a@example.com", "ADMIN"]
SSL_REQUEST = bytes([0, 0, 0, 8, 4, 210, 22, 47])


@dataclass
class TlsProxy:
    """The state of a TLS proxy before PostgreSQL: its port, and the numbers of encrypted and plain connections."""

    port: int = 0
    encrypted: int = 0
    plain: int = 0


def make_certificate(folder: Path) -> Path:
    """Write a self-signed certificate for 127.0.0.1, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "bank test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(issuer_name=name, subject_name=name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "server.key").write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    (folder / "server.crt").write_bytes(certificate.public_bytes(pem))
    return folder / "server.crt"


@pytest.fixture
async def tls_proxy(database_url: str, tmp_path: Path) -> AsyncIterator[TlsProxy]:
    """A server with TLS, before the PostgreSQL of the tests, which has none."""
    certificate = make_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, certificate.with_name("server.key"))
    seen, upstream, tasks = TlsProxy(), upstream_of(database_url), set[asyncio.Task[None]]()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                writer.write(data)
                await writer.drain()
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            first = await reader.readexactly(8)
            if first == SSL_REQUEST:
                writer.write(b"S")
                await writer.start_tls(context)
                first, seen.encrypted = b"", seen.encrypted + 1
            else:
                seen.plain += 1
        except (OSError, asyncio.IncompleteReadError):
            writer.close()
            return
        there = (
            asyncio.open_unix_connection(upstream) if isinstance(upstream, Path) else asyncio.open_connection(*upstream)
        )
        from_server, to_server = await there
        to_server.write(first)
        for one in (copy(reader, to_server), copy(from_server, writer)):
            tasks.add(task := asyncio.create_task(one))
            task.add_done_callback(tasks.discard)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    seen.port = server.sockets[0].getsockname()[1]
    yield seen
    server.close()
    for task in list(tasks):
        task.cancel()


def url_at(url: str, port: int, parameters: str) -> str:
    """Return the URL of the same database behind a port, with these parameters."""
    return urlsplit(through_proxy(url, port))._replace(query=parameters).geturl()


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
async def test_every_connection_is_encrypted_if_the_url_requires_it(
    database_url: str, redis_url: str, tls_proxy: TlsProxy, tmp_path: Path, sslmode: str
) -> None:
    url = url_at(database_url, tls_proxy.port, f"sslmode={sslmode}&sslrootcert={tmp_path / 'server.crt'}")
    await asyncio.to_thread(upgrade, url)
    async with serving(settings_for(url, redis_url)) as bank:
        for name, ask in (await EveryRequest(bank).next_requests()).items():
            assert "errors" not in (reply := await ask()).body, (name, reply.body)
        await bank.caught_up()
    assert (await verify(url)).findings == ()
    assert tls_proxy.encrypted > 5
    assert tls_proxy.plain == 0


@pytest.mark.parametrize(
    ("parameters", "encrypted"),
    [("sslmode=disable", False), ("sslmode=allow", False), ("sslmode=prefer", True), ("", True), ("ssl=require", True)],
)
async def test_a_url_without_a_tls_mode_works_with_and_without_tls(
    database_url: str, tls_proxy: TlsProxy, parameters: str, encrypted: bool
) -> None:
    await query_once(url_at(database_url, tls_proxy.port, parameters))
    assert (tls_proxy.encrypted > 0, tls_proxy.plain > 0) == (encrypted, not encrypted)


async def test_an_unverifiable_certificate_is_refused_if_the_url_requires_verification(
    database_url: str, tls_proxy: TlsProxy, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    other = make_certificate(tmp_path / "other")
    for parameters in (
        f"sslmode=verify-full&sslrootcert={other}",
        "sslmode=verify-full&sslrootcert=system",
        "ssl=true",
    ):
        with pytest.raises(Unavailable, match="does not answer"):
            await query_once(url_at(database_url, tls_proxy.port, parameters))
    assert tls_proxy.plain == 0


@pytest.mark.parametrize("sslmode", ["require", "verify-ca", "verify-full"])
async def test_a_server_without_tls_is_one_sentence_if_the_url_requires_tls(
    database_url: str, tmp_path: Path, sslmode: str
) -> None:
    certificate = make_certificate(tmp_path)
    async with PostgresProxy(upstream_of(database_url)) as refusing:
        url = url_at(database_url, refusing.port, f"sslmode={sslmode}&sslrootcert={certificate}")
        for ask in (query_once(url), asyncio.to_thread(upgrade, url), verify(url)):
            with pytest.raises(Unavailable, match="does not speak TLS"):
                await ask
        for command in (["migrate"], ["check"], ["events", "show", "1"]):
            code, said = await bank(url, *command)
            assert (code, said.count("\n")) == (2, 1), said
            assert "does not speak TLS" in said, said
        for parameters in ("sslmode=disable", "sslmode=allow", "sslmode=prefer"):
            await query_once(url_at(database_url, refusing.port, parameters))


async def test_every_command_refuses_an_invalid_url_with_one_sentence() -> None:
    for url, word in (
        ("postgresql://u:secret@h:port/bank", "port"),
        ("postgresql://u:secret@h:5432", "no database"),
        ("postgresql:///bank?host=/tmp&sslmode=require", "sslmode"),
        ("postgresql://u:secret@h/bank?sslmode=yes", "sslmode"),
    ):
        for command in (["migrate"], ["check"], ["audit", "verify"], ["events", "show", "1"], SET_ROLE):
            code, said = await bank(url, *command)
            assert (code, said.count("\n")) == (2, 1), (command, said)
            assert said.startswith("bank: DATABASE_URL is wrong: "), said
            assert word in said, said
            assert "secret" not in said, said


async def test_a_missing_certificate_is_a_sentence() -> None:
    url = "postgresql://u@127.0.0.1:1/bank?sslmode=verify-full&sslrootcert=/nowhere/ca.crt"
    code, said = await bank(url, "migrate")
    assert (code, said.count("\n")) == (2, 1), said


async def query_once(url: str) -> None:
    database = Database(url, pool_size=4, pool_timeout_ms=5_000, statement_timeout_ms=5_000)
    await database.open()
    try:
        async with database.connection() as connection:
            assert await connection.fetchval("select 1") == 1
    finally:
        await database.close()


async def bank(url: str, *command: str) -> tuple[int, str]:
    """Run a command. Returns its exit code and its standard error."""
    environment = {"DATABASE_URL": url, "REDIS_URL": "redis://127.0.0.1:1/0"}
    done = await asyncio.to_thread(CliRunner().invoke, main, command, env=environment)
    return done.exit_code, done.stderr


def test_an_invalid_url_is_refused_before_any_connection() -> None:
    with pytest.raises(SettingsError, match="DATABASE_URL is wrong"):
        Database("postgresql://h:x/bank", pool_size=4, pool_timeout_ms=1_000, statement_timeout_ms=5_000)
