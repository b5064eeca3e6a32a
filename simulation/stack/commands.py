"""The bank's commands, run to their end."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class CouldNotRunError(Exception):
    """The run could not take place or be finished; the message is one sentence for the person who asked for it."""


async def run_to_end(command: Sequence[str], environment: Mapping[str, str], *, log: Path, stdin: str = "") -> None:
    """Run one of the bank's commands; what it says goes to `log`. Raises CouldNotRunError with its last words."""
    code, output, complaint = await run_for_output(command, environment, stdin=stdin)
    await asyncio.to_thread(log.write_text, f"{output}\n{complaint}\n", encoding="utf-8")
    complaint = last_line(complaint)
    if code:
        name = " ".join(part for part in command[3:5] if not part.startswith("-"))
        words = complaint or (output.splitlines() or ["it said nothing"])[-1][:300]
        raise CouldNotRunError(f"bank {name} failed: {words}")


async def run_for_output(
    command: Sequence[str], environment: Mapping[str, str], *, stdin: str = "", timeout_s: float | None = None
) -> tuple[int, str, str]:
    """Run one of the bank's commands; return its exit code, what it wrote, and what it complained of.

    One that is not done in time is killed.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=dict(environment),
    )
    try:
        async with asyncio.timeout(timeout_s):
            output, complaint = await process.communicate(stdin.encode())
    except TimeoutError:
        return -signal.SIGKILL, "", f"was not done within {timeout_s:g} seconds"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    said, complained = (text.decode(errors="replace").strip() for text in (output, complaint))
    return process.returncode or 0, said, complained


def last_line(text: str) -> str:
    """Return the last line of a text, as long as a sentence may be."""
    lines = text.splitlines()
    return lines[-1][:300] if lines else ""


BANK = (sys.executable, "-m", "bank")
"""The bank's command line, under the interpreter at hand."""
