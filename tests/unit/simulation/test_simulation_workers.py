"""Killed workers are started again; a worker that repeatedly ends by itself is given up."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from fixtures import ports
from fixtures.ports import free_ports
from simulation.stack.commands import CouldNotRunError
from simulation.stack.orphan_guard import OrphanGuard
from simulation.stack.start import worker_ports
from simulation.stack.workers import Worker, Workers

SERVER = """
import sys, http.server
class Ready(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200); self.send_header("Content-Length", "0"); self.end_headers()
    def log_message(self, *words): pass
http.server.HTTPServer(("127.0.0.1", int(sys.argv[-1])), Ready).serve_forever()
"""


def worker(program: str, folder: Path) -> Worker:
    [port] = free_ports(1)
    return Worker("worker-0", port, [sys.executable, "-c", program], dict(os.environ), folder / "worker-0.log")


async def pid_after(workers: Workers, exits: int) -> int:
    """Wait until the worker has ended `exits` times and is running again. Returns its process id."""
    async with asyncio.timeout(20):
        process = workers.all[0].process
        while len(workers.exits) < exits or process is None or process.returncode is not None:
            await asyncio.sleep(0.01)
            process = workers.all[0].process
    return process.pid


async def test_a_killed_worker_is_restarted_every_time(tmp_path: Path) -> None:
    with OrphanGuard() as orphan_guard:
        workers = Workers([worker(SERVER, tmp_path)], orphan_guard)
        await workers.start()
        for exits in range(8):
            os.kill(await pid_after(workers, exits), signal.SIGKILL)
        await pid_after(workers, 8)
        assert {exit_.reason for exit_ in workers.exits} == {"killed by SIGKILL"}
        assert not workers.failed.done()
        await workers.stop()


async def test_a_worker_that_keeps_ending_is_abandoned_with_its_last_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulation.stack.workers.RESTART_PAUSE_S", 0.01)
    with OrphanGuard() as orphan_guard:
        one = worker(SERVER, tmp_path)
        workers = Workers([one], orphan_guard)
        await workers.start()
        one._command = [sys.executable, "-c", "print('no more coffee'); raise SystemExit(3)"]
        os.kill(await pid_after(workers, 0), signal.SIGTERM)
        with pytest.raises(
            CouldNotRunError, match=r"worker-0 died 5 times in a row \(ended with exit code 3\): no more"
        ):
            await asyncio.wait_for(workers.failed, 20)
        await workers.stop()


async def test_a_worker_that_does_not_start_is_one_sentence(tmp_path: Path) -> None:
    with OrphanGuard() as orphan_guard:
        workers = Workers([worker("raise SystemExit('the port is taken')", tmp_path)], orphan_guard)
        with pytest.raises(CouldNotRunError, match="worker-0 did not start: the port is taken"):
            await workers.start()
        await workers.stop()


async def test_a_worker_that_ignores_sigterm_is_killed_and_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulation.stack.workers.STOP_S", 0.3)
    with OrphanGuard() as orphan_guard:
        stubborn = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER
        workers = Workers([worker(stubborn, tmp_path)], orphan_guard)
        await workers.start()
        await workers.stop()
    assert workers.notes == ["worker-0 did not stop within 0.3 seconds of SIGTERM and was killed"]


async def test_the_orphan_guard_stops_remaining_processes_at_its_end(tmp_path: Path) -> None:
    with OrphanGuard() as orphan_guard:
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
        other = await asyncio.create_subprocess_exec(sys.executable, "-c", "import time; time.sleep(60)")
        orphan_guard.register(process.pid)
        orphan_guard.register(other.pid)
        orphan_guard.unregister(other.pid)
    assert await asyncio.wait_for(process.wait(), 10) == -signal.SIGTERM
    assert other.returncode is None
    other.kill()
    await other.wait()


def test_too_few_free_ports_end_the_run_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "PORTS", (1,))
    with pytest.raises(CouldNotRunError, match="no port for every worker: of 50 random ports"):
        worker_ports(2)
