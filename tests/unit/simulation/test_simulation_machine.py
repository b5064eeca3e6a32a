"""The load of the machine by other processes, measured without the load of the run."""

import asyncio
import os
import signal
import subprocess
import sys
from dataclasses import replace
from time import monotonic

import pytest

from simulation.machine import probe
from simulation.machine.seconds import disturbance, disturbances, is_never_quiet
from simulation.machine.watch import Machine, run_cpu_s, watch_machine
from simulation.model.machine import Second

QUIET = Second(0, 1, cores=2, own=0.45, others=0.02, steal=0.0, idle=0.53, late_ms=0.4)


def test_a_machine_used_only_by_the_run_is_not_disturbed() -> None:
    assert disturbance(QUIET) == ""


@pytest.mark.parametrize(
    ("second", "words"),
    [
        (replace(QUIET, steal=0.05, idle=0.48), "hypervisor kept 5%"),
        (replace(QUIET, others=0.3, idle=0.25), "other processes used 30%"),
        (replace(QUIET, late_ms=12.0), "woken 12 ms late"),
    ],
)
def test_other_processes_disturb_the_machine(second: Second, words: str) -> None:
    assert words in disturbance(second)


def test_a_run_that_uses_every_processor_is_not_a_disturbance() -> None:
    assert disturbance(replace(QUIET, own=0.97, idle=0.01, late_ms=40.0)) == ""


def test_other_processes_do_not_disturb_while_processors_are_idle() -> None:
    assert disturbance(replace(QUIET, cores=16, own=0.1, others=0.3, idle=0.6)) == ""


def test_the_second_after_a_disturbed_one_counts_as_disturbed() -> None:
    busy = replace(QUIET, others=0.5, idle=0.05)
    assert [bool(why) for why in disturbances([QUIET, busy, QUIET, QUIET])] == [False, True, True, False]


def test_waiting_ends_early_only_without_a_quiet_second() -> None:
    busy = [replace(QUIET, from_s=at, to_s=at + 1, others=0.5, idle=0.05) for at in range(30)]
    assert is_never_quiet(busy, 20)
    rest = [replace(QUIET, from_s=at, to_s=at + 1) for at in (20, 21)]
    assert not is_never_quiet([*busy[:20], *rest, *busy[22:]], 20)
    assert is_never_quiet([replace(QUIET, from_s=-2, to_s=-1), *busy], 20)


def busy_loop(seconds: float) -> str:
    return f"import time; end = time.process_time() + {seconds}\nwhile time.process_time() < end: pass"


def test_the_load_of_a_child_belongs_to_the_run_also_after_its_end() -> None:
    before = run_cpu_s([])
    subprocess.run([sys.executable, "-c", busy_loop(0.3)], check=True)
    # The kernel counts the CPU time of a child in ticks.
    assert run_cpu_s([]) - before >= 0.28


def test_the_load_of_the_servers_belongs_to_the_run() -> None:
    # Its parent has ended, as that of a daemon, so it is not a child of this process.
    lines = (
        "import os, time",
        "if os.fork(): os._exit(0)",
        busy_loop(0.3),
        "print(os.getpid(), flush=True)",
        "time.sleep(60)",
    )
    daemon = "\n".join(lines)
    started = subprocess.Popen([sys.executable, "-c", daemon], stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    with started.stdout:
        pid = int(started.stdout.readline())
        started.wait()
        # The measurement itself takes some milliseconds.
        without, with_it = run_cpu_s([]), run_cpu_s([pid])
        os.kill(pid, signal.SIGKILL)
    assert with_it - without >= 0.25


async def test_the_probe_measures_how_late_it_was_scheduled() -> None:
    heard: asyncio.Queue[float] = asyncio.Queue()

    class Listener(Machine):
        def add(self, late_ms: float) -> None:
            heard.put_nowait(late_ms)

    async with watch_machine(Listener(list, monotonic)):
        assert await heard.get() >= 0


def test_the_latest_wake_up_of_the_probe_in_a_second_counts() -> None:
    machine = Machine(list, monotonic)
    machine.sample()
    for late_ms in (0.3, 7.5, 0.4):
        machine.add(late_ms)
    first, second = machine.sample(), machine.sample()
    assert first is not None
    assert second is not None
    assert (first.late_ms, second.late_ms) == (7.5, None)


def test_the_probe_records_every_wake_up() -> None:
    late_ms = probe.watch(0.05)
    assert late_ms == sorted(late_ms)
    assert 1 <= len(late_ms) <= 0.05 / probe.SLEEP_S + 1
