"""Stops the bank's workers when the simulation ends without stopping them, for example by kill -9.

One small process, in a session of its own, that reads which processes there are from its standard input: `+123` for one
that began, `-123` for one that ended. The end of the input is the simulation's end.
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


class Tether:
    """Ties processes to the life of this one. Use as a context manager."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        """Start the process that waits for our end."""
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
        """End it; what is still tied is stopped."""
        if self._process is not None:
            self._process.communicate()

    def tie(self, pid: int) -> None:
        """Stop this process when ours ends."""
        self._send(f"+{pid}\n")

    def untie(self, pid: int) -> None:
        """Say that this process has ended."""
        self._send(f"-{pid}\n")

    def _send(self, line: str) -> None:
        if self._process is not None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self._process.stdin.write(line.encode("ascii"))
                self._process.stdin.flush()


def wait(lines: Iterable[str]) -> None:
    """Read until the end, then stop what is left."""
    tied: set[int] = set()
    for line in lines:
        pid = int(line[1:])
        if line.startswith("+"):
            tied.add(pid)
        else:
            tied.discard(pid)
    for pid in tied:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


if __name__ == "__main__":
    wait(sys.stdin)
