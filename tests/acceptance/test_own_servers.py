"""A bank without configuration: its servers, its files, and the commands that find them."""

import asyncio
import json
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from tests.acceptance.test_serve import _bank, _can_log_in, _register, _sentence, _without_logs, serving
from tests.integration.encryption import TOKEN_SECRET


def _until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def _server_processes(folder: Path) -> dict[str, psutil.Process]:
    """Return the main processes of PostgreSQL and Valkey whose working directory is in a folder, by name."""
    found = {}
    for process in psutil.process_iter(["name", "cwd", "ppid"]):
        cwd, name = process.info["cwd"] or "", process.info["name"]
        if cwd.startswith(str(folder.resolve())) and (
            name == "valkey-server" or (name == "postgres" and (process.parent() or process).name() != "postgres")
        ):
            found[name] = process
    return found


def test_other_users_cannot_read_the_folder_of_the_bank(tmp_path: Path) -> None:
    data = tmp_path / "bank-data"
    previous = os.umask(0o022)
    try:
        with serving(tmp_path / "log", cwd=tmp_path):
            modes = {path.name: path.stat().st_mode & 0o777 for path in data.iterdir() if path.is_file()}
            folder = data.stat().st_mode & 0o777
    finally:
        os.umask(previous)
    # As root, the servers run as another account, which must pass through the folder but cannot list or read it.
    assert folder == (0o701 if os.geteuid() == 0 else 0o700)
    assert {modes[name] for name in ("environment", "token-secret", "audit-key.pem")} == {0o600}


def test_readable_files_of_an_older_bank_get_strict_permissions(tmp_path: Path) -> None:
    data = tmp_path / "bank-data"
    data.mkdir(mode=0o755)
    for name, text in (("environment", "export X=1\n"), ("token-secret", TOKEN_SECRET)):
        (data / name).write_text(text)
        (data / name).chmod(0o644)
    with serving(tmp_path / "log", cwd=tmp_path):
        pass
    assert data.stat().st_mode & 0o066 == 0
    assert {(data / name).stat().st_mode & 0o777 for name in ("environment", "token-secret")} == {0o600}
    assert (data / "token-secret").read_text() == TOKEN_SECRET


def test_commands_beside_the_folder_find_the_servers(tmp_path: Path) -> None:
    with serving(tmp_path / "log", cwd=tmp_path):
        done = _bank("check", "--json", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (0, "bank: using bank-data/environment\n")
        assert json.loads(done.stdout)["sound"] is True
        assert _bank("events", "replay", "audit", "--since", "1", "--dry-run", cwd=tmp_path).returncode == 0
        assert _bank("audit", "verify", cwd=tmp_path).returncode == 0
        # The environment has priority over the files of the folder.
        other = _bank("check", cwd=tmp_path, DATABASE_URL="postgresql://bank@127.0.0.1:1/bank")
        assert _sentence(other).startswith("bank: The books could not be read")
    elsewhere = _bank("check", cwd=tmp_path.parent)
    assert _sentence(elsewhere) == (
        "bank: DATABASE_URL is not set. Set it, or run this in the folder where `bank serve` has its bank-data."
    )


@pytest.mark.parametrize("name", ["postgres", "valkey-server"])
def test_an_embedded_server_that_is_killed_is_started_again(tmp_path: Path, name: str) -> None:
    with serving(tmp_path / "log", cwd=tmp_path) as server:
        email = asyncio.run(_register(server.url))
        killed = _server_processes(tmp_path)[name]
        killed.kill()
        _until(lambda: "own_server_restarted" in (tmp_path / "log").read_text(), "the server is started again")
        again = _server_processes(tmp_path)[name]
        assert again.pid != killed.pid
        _until(lambda: _is_ready(server.url), "the bank is ready again")
        assert asyncio.run(_can_log_in(server.url, email))


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/health/ready", timeout=2) as answer:
            return bool(json.load(answer)["status"] == "ok")
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def test_a_folder_that_cannot_be_made_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = _bank("serve", "--port", "0", "--data", "file/data", cwd=tmp_path)
    assert _sentence(done) == "bank: The bank cannot keep its data in file/data: Not a directory."


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is forbidden to root")
def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o500)
    done = _bank("serve", "--port", "0", "--data", "data", cwd=tmp_path)
    assert _sentence(done) == "bank: The bank cannot keep its data in data: Permission denied."


def test_an_unknown_setting_is_named_at_start_with_the_nearest_known_one(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with serving(log, cwd=tmp_path, BANK_TRANSFER_FEES="1.00", BANK_SERVICE_HOST="10.0.0.1"):
        pass
    lines = [json.loads(line) for line in log.read_text().splitlines() if line.startswith("{")]
    unknown = [line for line in lines if line["event"] == "unknown_setting"]
    assert [(line["variable"], line["did_you_mean"]) for line in unknown] == [
        ("BANK_TRANSFER_FEES", "BANK_TRANSFER_FEE")
    ]
    assert _without_logs(log.read_text()).startswith("bank: starting PostgreSQL")
