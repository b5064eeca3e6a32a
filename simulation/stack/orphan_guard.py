"""The guard that stops the bank's workers if the simulation ends without stopping them, for example by kill -9.

The guard is a small process in a separate session. It reads the running processes from its standard input: `+123` for a
process that began, and `-123` for one that ended. The end of the input means the end of the simulation.
"""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Self


class OrphanGuard:
    """A context manager that stops registered processes when this process ends."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the process that waits for the end of this one."""
        self._process = subprocess.Popen(  # noqa: S603 - this file, no shell
            [sys.executable, "-I", str(Path(__file__).absolute())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the guard, which stops the processes that are still registered."""
        if self._process is not None:
            self._process.communicate()

    def register(self, pid: int) -> None:
        """Register a process, which is stopped when this process ends."""
        self._send(f"+{pid}\n")

    def unregister(self, pid: int) -> None:
        """Remove a process that has ended."""
        self._send(f"-{pid}\n")

    def _send(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line.encode("ascii"))
                self._process.stdin.flush()


def wait(lines: Iterable[str]) -> None:
    """Read until the end of the input, then stop the processes that have not ended."""
    registered: set[int] = set()
    for line in lines:
        pid = int(line[1:])
        if line.startswith("+"):
            registered.add(pid)
        else:
            registered.discard(pid)
    for pid in registered:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


if __name__ == "__main__":
    wait(sys.stdin)
