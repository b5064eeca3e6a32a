"""Measurement of the machine during the drive: the users of its processors, and the delay of a sleeping process."""

import asyncio
import contextlib
import os
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from fixtures.backends import Backend
from simulation.machine import probe
from simulation.model.machine import Second

PROBE = Path(probe.__file__).absolute()
QUOTA = Path("/sys/fs/cgroup/cpu.max")


def cores() -> float:
    """Return how many processors this process may use: those of the machine, or the quota of a container if smaller."""
    count = float(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)
    with contextlib.suppress(OSError, ValueError):
        quota, period = QUOTA.read_text("ascii").split()
        count = min(count, float(quota) / float(period))  # "max" is no number: there is no quota
    return count


SERVERS = frozenset({"postgres", "postmaster", "redis-server", "valkey-server"})


def server_pids(backend: Backend) -> set[int]:
    """Return the ids of the processes of PostgreSQL and Redis.

    Servers that were started before the run, or in containers, are recognized by their names, the only way that works
    for all. An unrelated database on the same machine then counts as part of the run, and is no disturbance.
    """
    ours = {server.pid for server in (backend.postgres, backend.valkey) if server is not None and server.pid}
    if ours:
        return ours
    return {process.pid for process in psutil.process_iter(["name"]) if process.info["name"] in SERVERS}


def run_cpu_s(servers: Iterable[int]) -> float:
    """Return the seconds of processor time of the run: of this process, `servers`, and all their descendants.

    The time of an ended process is included in that of its parent, which waited for it.
    """
    processes: set[psutil.Process] = set()
    for root in {os.getpid(), *servers}:
        with contextlib.suppress(psutil.Error):
            process = psutil.Process(root)
            processes |= {process, *process.children(recursive=True)}
    used_s = 0.0
    for process in processes:
        with contextlib.suppress(psutil.Error):
            times = process.cpu_times()
            used_s += times.user + times.system + times.children_user + times.children_system
    return used_s


def _machine_s() -> dict[str, float]:
    times = psutil.cpu_times()._asdict()
    idle = times.get("idle", 0.0) + times.get("iowait", 0.0)
    steal = times.get("steal", 0.0)
    # The time of guests is excluded, because the time of users already includes it.
    busy = sum(value for name, value in times.items() if name not in {"idle", "iowait", "steal", "guest", "guest_nice"})
    return {"idle": idle, "steal": steal, "busy": busy}


class Machine:
    """A record of the machine's use in each second. `sample` is called about once a second."""

    def __init__(self, servers: Callable[[], Iterable[int]], clock_s: Callable[[], float]) -> None:
        self._servers = servers
        self._clock_s = clock_s
        self._before: tuple[float, float, dict[str, float]] | None = None
        self._late_ms: list[float] = []
        self.cores = cores()
        self.load_before = psutil.getloadavg()[0]
        self.seconds: list[Second] = []

    def add(self, late_ms: float) -> None:
        """Add the delay, in milliseconds, with which the probe was woken."""
        self._late_ms.append(late_ms)

    def sample(self) -> Second | None:
        """Record and return the use since the last call; None at the first call."""
        now = (self._clock_s(), run_cpu_s(self._servers()), _machine_s())
        before, self._before = self._before, now
        if before is None or now[0] <= before[0]:
            return None
        used = {name: max(0.0, now[2][name] - before[2][name]) for name in now[2]}
        whole = sum(used.values()) or 1.0
        own = min(used["busy"], max(0.0, now[1] - before[1]))
        late_ms, self._late_ms = (max(self._late_ms) if self._late_ms else None), []
        # The run's own share is of its quota of the machine; the share of others is of the whole machine.
        scale = (psutil.cpu_count() or 1) / self.cores
        second = Second(
            from_s=before[0],
            to_s=now[0],
            cores=self.cores,
            own=min(1.0, own / whole * scale),
            others=(used["busy"] - own) / whole,
            steal=used["steal"] / whole,
            idle=used["idle"] / whole,
            late_ms=late_ms,
        )
        self.seconds.append(second)
        return second


@asynccontextmanager
async def watch_machine(machine: Machine) -> AsyncIterator[None]:
    """Run the probe as a separate process for the block, and add the delays of its wake-ups to `machine`."""
    process = await asyncio.create_subprocess_exec(sys.executable, "-I", str(PROBE), stdout=asyncio.subprocess.PIPE)

    async def read_delays() -> None:
        assert process.stdout is not None
        async for line in process.stdout:
            machine.add(float(line.split()[1]))

    reading = asyncio.create_task(read_delays())
    try:
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()
        reading.cancel()
        await asyncio.gather(reading, return_exceptions=True)
