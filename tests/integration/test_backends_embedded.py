"""The guarantees of the embedded servers for their folder and address."""

import os
import signal
import stat
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import nullcontext
from pathlib import Path

import asyncpg
import databases
import psutil
import pytest
import redis
from sqlalchemy import text
from sqlalchemy.engine import make_url

from fixtures.backends import Backend, BackendUnavailable, EmbeddedPostgres, EmbeddedValkey, open_backend
from fixtures.backends.guard import is_alive
from fixtures.backends.reach import run_sql


def server_processes(folder: Path) -> list[str]:
    """Return the processes whose working directory is under `folder`."""
    return [
        process.info["name"]
        for process in psutil.process_iter(["name", "cwd"])
        if (process.info["cwd"] or "").startswith(str(folder))
    ]


async def test_the_url_works_with_asyncpg_and_databases(postgres_url: str) -> None:
    connection = await asyncpg.connect(postgres_url)
    assert await connection.fetchval("select current_user") == "postgres"
    await connection.close()
    async with databases.Database(postgres_url) as database:
        assert await database.fetch_val("select current_database()") == make_url(postgres_url).database


async def test_the_url_works_with_sqlalchemy(postgres_url: str) -> None:
    asyncio_engine = pytest.importorskip("sqlalchemy.ext.asyncio", exc_type=ImportError)
    engine = asyncio_engine.create_async_engine(make_url(postgres_url).set(drivername="postgresql+asyncpg"))
    async with engine.connect() as connection:
        assert (await connection.execute(text("select 1"))).scalar() == 1
    await engine.dispose()


def test_a_backend_reports_its_versions_and_addresses(servers_folder: Path) -> None:
    with open_backend("embedded", folder=servers_folder, durable=False) as backend:
        assert "PostgreSQL 18" in backend.describe()
        assert "Valkey 9" in backend.describe()
        assert str(servers_folder) in backend.describe()
        assert "ready to accept connections" in (backend.postgres_log() or "")


@pytest.mark.parametrize("how_it_ends", ["well", "with an exception"])
def test_a_closed_backend_leaves_no_process_and_no_file(servers_folder: Path, how_it_ends: str) -> None:
    with (
        pytest.raises(RuntimeError) if how_it_ends != "well" else nullcontext(),
        open_backend("embedded", folder=servers_folder, durable=False),
    ):
        assert {"postgres", "valkey-server"} <= set(server_processes(servers_folder))
        if how_it_ends != "well":
            raise RuntimeError(how_it_ends)
    assert server_processes(servers_folder) == []
    assert not servers_folder.exists()


def test_an_existing_folder_keeps_other_files(servers_folder: Path) -> None:
    servers_folder.mkdir()
    (servers_folder / "letter.txt").write_text("mine")
    with open_backend("embedded", folder=servers_folder, durable=False):
        pass
    assert [path.name for path in servers_folder.iterdir()] == ["letter.txt"]


def test_kept_data_is_used_by_the_next_start(servers_folder: Path) -> None:
    with open_backend("embedded", folder=servers_folder, keep=True) as backend:
        run_sql(backend.database_url, "create table kept as select 42 as answer")
        first_address = backend.database_url
    assert server_processes(servers_folder) == []
    with open_backend("embedded", folder=servers_folder, keep=True) as backend:
        assert run_sql(backend.database_url, "select answer from kept")[0][0] == 42
        assert backend.database_url == first_address


def test_commits_wait_for_the_disk_by_default(servers_folder: Path) -> None:
    names = ("fsync", "synchronous_commit", "full_page_writes")
    for durable, expected in ((True, "on"), (False, "off")):
        with EmbeddedPostgres(servers_folder, durable=durable, keep=False) as postgres:
            assert [run_sql(postgres.url(), f"show {name}")[0][0] for name in names] == [expected] * 3


def test_given_settings_override_our_defaults(servers_folder: Path) -> None:
    settings = {"work_mem": "'7MB'", "max_connections": "23"}
    with EmbeddedPostgres(servers_folder, settings=settings, durable=False, keep=False) as postgres:
        assert run_sql(postgres.url(), "show work_mem")[0][0] == "7MB"
        assert run_sql(postgres.url(), "show max_connections")[0][0] == "23"
        assert run_sql(postgres.url(), "show log_lock_waits")[0][0] == "on"
        assert "pg_stat_statements" in run_sql(postgres.url(), "show shared_preload_libraries")[0][0]


def test_a_restarted_postgres_has_all_acknowledged_commits(durable_backend: Backend) -> None:
    postgres, url = durable_backend.postgres, durable_backend.database_url
    run_sql(url, "create table seen (id int)", "insert into seen select generate_series(1, 1000)")
    assert postgres is not None
    before = postgres.pid
    postgres.kill()
    assert not postgres.is_running()
    assert postgres.pid is None
    with pytest.raises(ConnectionError):
        run_sql(url, "select 1")
    postgres.start()
    assert run_sql(url, "select count(*) from seen")[0][0] == 1000
    assert postgres.pid != before


def test_a_postgres_killed_during_a_long_statement_restarts(durable_backend: Backend) -> None:
    """A busy backend outlives the server and holds its memory, so that new servers are refused until it ends.

    The backend is stopped until a start was refused, so that the speed of the machine does not matter.
    """
    postgres = durable_backend.postgres
    assert postgres is not None
    busy = "select pid from pg_stat_activity where query like 'select sum%' and state = 'active'"
    with ThreadPoolExecutor(max_workers=2) as threads:
        running = threads.submit(run_sql, durable_backend.database_url, "select sum(i) from generate_series(1, 2e7) i")
        while not (found := run_sql(postgres.url(), busy)):
            assert not running.done()
        backend = psutil.Process(found[0][0])
        backend.suspend()
        try:
            postgres.kill()
            assert is_alive(backend, psutil)
            starting = threads.submit(postgres.start)
            while "pre-existing shared memory block" not in (durable_backend.postgres_log() or ""):
                assert not starting.done()
                time.sleep(0.01)
        finally:
            backend.resume()
        starting.result()
        assert not is_alive(backend, psutil)
        assert run_sql(durable_backend.database_url, "select 1")[0][0] == 1
        wait([running])  # the client gets the answer or a closed connection; both are correct


def test_valkey_refuses_commands_without_a_password(servers_folder: Path) -> None:
    with EmbeddedValkey(servers_folder, keep=False) as valkey:
        assert valkey.port is not None
        with redis.Redis(port=valkey.port) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.set("session:1", "open")
        readable = [path.name for path in servers_folder.rglob("valkey.conf") if path.stat().st_mode & 0o077]
        assert readable == []


def test_a_restarted_valkey_is_empty_and_has_the_same_address(servers_folder: Path) -> None:
    with EmbeddedValkey(servers_folder, keep=False) as valkey, redis.Redis.from_url(valkey.url()) as client:
        client.set("key", "value")
        address = valkey.url()
        valkey.kill()
        with pytest.raises(redis.ConnectionError):
            client.get("key")
        valkey.start()
        assert valkey.url() == address
        assert client.get("key") is None


def test_a_stale_pid_file_that_names_another_process_does_not_stop_a_start(servers_folder: Path) -> None:
    with EmbeddedPostgres(servers_folder) as postgres:
        run_sql(postgres.url(), "create table kept (id int)")
        # It runs as the server's account, otherwise PostgreSQL does not take it for a server process.
        account = postgres.data.stat().st_uid if os.geteuid() == 0 else None
        other = subprocess.Popen(["sleep", "60"], user=account)
        postgres.kill()
        pid_file = postgres.data / "postmaster.pid"
        lines = pid_file.read_text().splitlines()
        pid_file.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        postgres.start()
        assert run_sql(postgres.url(), "select count(*) from kept")[0][0] == 0
        assert other.poll() is None
        other.kill()
        other.wait()
        assert 'lock file "postmaster.pid" already exists' in postgres.log_path.read_text()


def test_a_folder_with_a_long_path_has_its_socket_in_a_temporary_folder(servers_folder: Path) -> None:
    deep = servers_folder / ("d" * 60) / ("e" * 60)
    with EmbeddedPostgres(deep, durable=False, keep=False) as postgres:
        assert not postgres.socket_folder.is_relative_to(servers_folder)
        assert stat.S_IMODE(postgres.socket_folder.stat().st_mode) == 0o700
        assert run_sql(postgres.url(), "select 1")[0][0] == 1
    assert not postgres.socket_folder.exists()


@pytest.mark.parametrize(
    "name", ["my bank's data", 'the "new" bank', "back\\slash", "a%20b ção $HOME #1", "two\nlines"]
)
def test_a_folder_with_any_characters_in_its_name_works(servers_folder: Path, name: str) -> None:
    with open_backend("embedded", folder=servers_folder / name, durable=False) as backend:
        assert run_sql(backend.database_url, "select 1")[0][0] == 1
        with redis.Redis.from_url(backend.redis_url) as client:
            assert client.ping()


def test_only_the_owner_of_the_servers_can_open_the_socket(servers_folder: Path) -> None:
    with EmbeddedPostgres(servers_folder, durable=False, keep=False) as postgres:
        assert stat.S_IMODE(postgres.socket_folder.stat().st_mode) == 0o700
        assert run_sql(postgres.url(), "show listen_addresses")[0][0] == ""


def test_servers_do_not_run_as_root(servers_folder: Path) -> None:
    with open_backend("embedded", folder=servers_folder, durable=False) as backend:
        assert backend.postgres is not None
        assert backend.valkey is not None
        for pid in (backend.postgres.pid, backend.valkey.pid):
            assert psutil.Process(pid).uids().real != 0


def test_the_server_log_contains_no_refused_values(servers_folder: Path) -> None:
    with open_backend("embedded", folder=servers_folder, durable=False) as backend:
        run_sql(backend.database_url, "create table people (cpf text unique)")
        for _ in range(2):
            try:
                run_sql(backend.database_url, "insert into people select '529' || '98224725'")
            except asyncpg.UniqueViolationError:
                break
        log = backend.postgres_log() or ""
        assert "duplicate key value" in log
        assert "52998224725" not in log


def test_a_folder_has_one_owner_at_a_time(servers_folder: Path) -> None:
    with (
        EmbeddedPostgres(servers_folder, durable=False, keep=False) as postgres,
        pytest.raises(BackendUnavailable, match=rf"belong to process {os.getpid()}; stop it, or choose another folder"),
    ):
        EmbeddedPostgres(servers_folder, durable=False).start()
    assert not postgres.is_running()


def test_data_of_another_version_is_refused_with_the_reason_of_postgres_and_kept(servers_folder: Path) -> None:
    with EmbeddedPostgres(servers_folder) as postgres:
        version = postgres.data / "PG_VERSION"
    version.write_text("17\n")
    with pytest.raises(BackendUnavailable, match="database files are incompatible with server"):
        postgres.start()
    assert version.read_text() == "17\n"
    assert server_processes(servers_folder) == []


def test_a_folder_that_is_a_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(
            BackendUnavailable, match=r"^PostgreSQL cannot keep its data in .*: (File exists|Not a directory)"
        ),
        open_backend("embedded", folder=tmp_path / "file"),
    ):
        pass


def test_a_wrong_setting_is_refused_by_name_and_leaves_no_process(servers_folder: Path) -> None:
    postgres = EmbeddedPostgres(servers_folder, settings={"no_such_setting": "1"}, durable=False)
    with pytest.raises(BackendUnavailable, match="does not start"):
        postgres.start()
    assert "no_such_setting" in postgres.log_path.read_text()
    assert server_processes(servers_folder) == []


def test_a_stopped_server_can_be_stopped_again(servers_folder: Path) -> None:
    with EmbeddedPostgres(servers_folder, durable=False, keep=False) as postgres:
        pid = postgres.pid
        assert pid is not None
        os.kill(pid, signal.SIGSTOP)  # a stopped process must also be ended
        postgres.stop()
        postgres.stop()
        assert not psutil.pid_exists(pid)
        assert servers_folder.exists()
    assert not servers_folder.exists()
