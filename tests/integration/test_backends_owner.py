"""Embedded servers end with their owner, in every way in which it can end; Ctrl-C reaches the owner only."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from fixtures.backends import EmbeddedPostgres, EmbeddedValkey, open_backend
from fixtures.backends.guard import is_alive, wait_for_end
from fixtures.backends.reach import run_sql

OWNER = """
import pathlib, signal, sys
from fixtures.backends import open_backend

folder, keep, ignore_interrupts = pathlib.Path(sys.argv[1]), sys.argv[2] == "keep", sys.argv[3] == "deaf"
# As a terminal starts it: who runs the tests in the background, or under nohup, has children that ignore these.
signal.signal(signal.SIGHUP, signal.SIG_DFL)
signal.signal(signal.SIGINT, signal.SIG_IGN if ignore_interrupts else signal.default_int_handler)
with open_backend("embedded", folder=folder, keep=keep, durable=False) as backend:
    print(backend.postgres.pid, backend.valkey.pid, flush=True)
    sys.stdin.read()
"""
BOUND_S = 30.0  # for a machine with other load


class Owner:
    """Another process that has opened `folder`."""

    def __init__(self, folder: Path, *, keep: bool = False, ignores_interrupts: bool = False) -> None:
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                OWNER,
                str(folder),
                "keep" if keep else "delete",
                "deaf" if ignores_interrupts else "",
            ],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_until_up(self) -> None:
        assert self.process.stdout is not None
        self.servers = [psutil.Process(int(pid)) for pid in self.process.stdout.readline().split()]
        self.guard = next(
            child
            for child in psutil.Process(self.process.pid).children()
            if any("guard.py" in word for word in child.cmdline())
        )

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start_owner(servers_folder: Path) -> Iterator[Callable[..., Owner]]:
    owners: list[Owner] = []

    def start(**options: bool) -> Owner:
        owners.append(Owner(servers_folder, **options))
        owners[-1].wait_until_up()
        return owners[-1]

    yield start
    for owner in owners:
        owner.end()
        assert wait_for_end([owner.guard], BOUND_S) == []
        for server in owner.servers:
            if is_alive(server, psutil):  # left over by a failed test
                server.kill()


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + BOUND_S
    while not condition():
        assert time.monotonic() < deadline, f"after {BOUND_S} s still not: {what}"
        time.sleep(0.01)


def has_no_servers(owner: Owner) -> bool:
    return not any(is_alive(server, psutil) for server in owner.servers)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL, signal.SIGHUP, signal.SIGINT, signal.SIGSEGV])
def test_servers_and_folder_are_removed_when_their_owner_ends(
    start_owner: Callable[..., Owner], servers_folder: Path, how: signal.Signals
) -> None:
    owner = start_owner()
    owner.process.send_signal(how)
    owner.process.communicate()
    assert owner.process.returncode != 0
    until(lambda: has_no_servers(owner), "the servers are gone")
    until(lambda: not (servers_folder).exists(), "the folder is gone")
    until(lambda: not is_alive(owner.guard, psutil), "the guard is gone")


def test_kept_data_survives_a_killed_owner_and_the_next_owner_waits_for_the_guard(
    start_owner: Callable[..., Owner], servers_folder: Path
) -> None:
    owner = start_owner(keep=True)
    owner.process.kill()
    owner.process.wait()
    with open_backend("embedded", folder=servers_folder, keep=True) as backend:
        assert run_sql(backend.database_url, "select 1")[0][0] == 1
        assert backend.postgres is not None
        assert psutil.pid_exists(backend.postgres.pid or 0)


def test_servers_left_by_an_owner_killed_with_its_guard_are_adopted(
    start_owner: Callable[..., Owner], servers_folder: Path
) -> None:
    owner = start_owner(keep=True)
    owner.guard.kill()
    owner.end()
    with open_backend("embedded", folder=servers_folder, keep=True, durable=False) as backend:
        assert backend.postgres is not None
        assert backend.valkey is not None
        assert [backend.postgres.pid, backend.valkey.pid] == [server.pid for server in owner.servers]
        assert run_sql(backend.database_url, "select 1")[0][0] == 1
    until(lambda: has_no_servers(owner), "the adopted servers are stopped by the one who adopted them")


def test_servers_left_with_other_settings_are_started_anew(
    start_owner: Callable[..., Owner], servers_folder: Path
) -> None:
    owner = start_owner(keep=True)
    owner.guard.kill()
    owner.end()
    with EmbeddedPostgres(servers_folder / "postgres", durable=True) as postgres:
        assert postgres.pid not in [server.pid for server in owner.servers]
        assert run_sql(postgres.url(), "show fsync")[0][0] == "on"
    with EmbeddedValkey(servers_folder / "valkey", settings={"maxmemory": "64mb"}) as valkey:
        assert valkey.pid not in [server.pid for server in owner.servers]
    assert has_no_servers(owner)


def test_a_folder_in_use_is_refused_with_the_process_id_of_its_owner(
    start_owner: Callable[..., Owner], servers_folder: Path
) -> None:
    owner = start_owner()
    second = subprocess.run(
        [sys.executable, "-c", OWNER, str(servers_folder), "delete", ""],
        capture_output=True,
        text=True,
        timeout=BOUND_S,
        check=False,
    )
    assert second.returncode == 1
    assert f"belong to process {owner.process.pid};" in second.stderr
    assert not has_no_servers(owner)


def test_ctrl_c_interrupts_the_owner_and_not_its_servers(start_owner: Callable[..., Owner]) -> None:
    owner = start_owner(ignores_interrupts=True)
    os.killpg(owner.process.pid, signal.SIGINT)  # the signal of Ctrl-C in a terminal
    owner_group = os.getpgid(owner.process.pid)
    for server in owner.servers:
        assert os.getpgid(server.pid) != owner_group
        assert is_alive(server, psutil)
    assert owner.process.poll() is None


def test_the_end_of_a_forked_child_does_not_stop_the_servers(servers_folder: Path) -> None:
    with EmbeddedPostgres(servers_folder, durable=False, keep=False) as postgres:
        child = os.fork()
        if child == 0:
            postgres._close_at_exit(os.getppid())  # the call of atexit
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        assert postgres.is_running()
