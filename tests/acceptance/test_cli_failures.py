"""Commands that fail against a database print one sentence without values of rows, addresses or passwords."""

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Thread
from urllib.parse import urlsplit, urlunsplit

from fixtures.backends.reach import run_sql
from tests.acceptance.test_serve import ENVIRONMENT, _bank, _environment, _without_logs

PASSWORD = "hunter2-umbrella"
COMMANDS = [
    ["migrate"],
    ["check"],
    ["audit", "verify"],
    ["users", "create-admin", "--email", "ana@example.com", "--password-stdin"],
    ["users", "set-role", "ana@example.com", "OPERATOR"],
    ["keys", "rotate"],
    ["events", "tail"],
    ["events", "show", "1"],
    ["events", "dead-letters"],
    ["events", "replay", "account_days", "--since", "1"],
    ["events", "rebuild", "account_days"],
    ["serve", "--port", "0"],
]
# One process runs all commands, because its start takes as long as a dozen commands.
RUN_ALL = """
import io, json, sys
from contextlib import redirect_stderr
from bank.cli.main import main
for arguments in json.load(sys.stdin):
    complaint, code = io.StringIO(), None
    with redirect_stderr(complaint):
        try:
            main(arguments, standalone_mode=False)
        except SystemExit as ended:
            code = ended.code
    print(json.dumps([code, complaint.getvalue()]))
"""


@contextmanager
def _server_that_hangs_up() -> Iterator[int]:
    """A server that closes each connection as soon as it has received data."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1)

        Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def _run_all(url: str) -> list[str]:
    """Run every command against a database that cannot be used. Returns their sentences."""
    redis_url = f"redis://:{PASSWORD}@127.0.0.1:1/0"
    done = subprocess.run(
        [sys.executable, "-c", RUN_ALL],
        env=_environment(DATABASE_URL=url, REDIS_URL=redis_url, **ENVIRONMENT),
        input=json.dumps(COMMANDS), capture_output=True, text=True, timeout=100, check=True,
    )  # fmt: skip
    results = [json.loads(line) for line in done.stdout.splitlines()]
    assert [code for code, _ in results] == [2] * len(COMMANDS), results
    sentences = []
    for _, complaint in results:
        [sentence] = _without_logs(complaint).strip().splitlines()
        assert sentence.startswith("bank: The ")
        for private in (PASSWORD, "ana@", "ana:", "127.0.0.1"):
            assert private not in complaint + done.stderr
        sentences.append(sentence)
    return sentences


def test_an_unreachable_server_is_reported_without_its_url() -> None:
    for sentence in _run_all(f"postgresql://ana:{PASSWORD}@127.0.0.1:1,127.0.0.1:2/none"):
        assert sentence.endswith(": connection refused.")


def test_a_server_that_closes_connections_is_reported_without_its_url() -> None:
    with _server_that_hangs_up() as port:
        for sentence in _run_all(f"postgresql://ana:{PASSWORD}@127.0.0.1:{port}/none"):
            assert f":{port}" not in sentence


def test_a_refused_database_login_is_reported_without_the_user(postgres_url: str) -> None:
    parts = urlsplit(postgres_url)
    url = urlunsplit(parts._replace(netloc=f"ana:{PASSWORD}@{parts.netloc.rpartition('@')[2]}"))
    for sentence in _run_all(url):
        assert "it refuses the user, the password or the way of the login" in sentence


def test_a_row_that_the_database_refuses_is_not_quoted(database_url: str) -> None:
    # Names are encrypted, and equal ones have different texts, so that the constraint is on something else.
    run_sql(database_url, "create unique index one_of_a_role on users (role)")
    admin = ("users", "create-admin", "--name", "Ana Okonkwo", "--password-stdin", "--email")
    for address, code in (("ana@example.com", 0), ("bia@example.com", 2)):
        done = subprocess.run(
            [sys.executable, "-m", "bank", *admin, address], env=_environment(DATABASE_URL=database_url, **ENVIRONMENT),
            input="um guarda-chuva às terças\n", capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
    assert done.stderr.splitlines()[-1].startswith("bank: users failed: UniqueViolationError(sqlstate=23505, ")
    assert "one_of_a_role" in done.stderr
    for private in ("Ana", "Okonkwo", "@example.com", "DETAIL", "already exists"):
        assert private not in done.stderr


def test_a_migration_that_fails_does_not_quote_its_statement(postgres_url: str) -> None:
    run_sql(postgres_url, "create function refuse_change() returns trigger language plpgsql as 'begin return new; end'")
    done = _bank("migrate", DATABASE_URL=postgres_url)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith("bank: migrate failed: ")
    assert "DuplicateFunctionError(sqlstate=42723" in done.stderr
    for private in ("[sql:", "create function", "already exists"):
        assert private not in done.stderr.lower()
