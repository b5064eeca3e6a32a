"""Execution of the bank's commands."""

import asyncio
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class CouldNotRunError(Exception):
    """An error: the run could not start or finish. The message is one sentence for the user."""


async def run_command(
    command: Sequence[str], environment: Mapping[str, str], *, log: Path, stdin: str = "", is_secret: bool = False
) -> str:
    """Run one of the bank's commands, write its output to `log`, and return the output.

    Only the errors are written if the output `is_secret`. Raises CouldNotRunError with the last line.
    """
    code, output, errors = await run_for_output(command, environment, stdin=stdin)
    written = errors if is_secret else f"{output}\n{errors}"
    await asyncio.to_thread(log.write_text, f"{written}\n", encoding="utf-8")
    errors = last_line(errors)
    if code:
        name = " ".join(part for part in command[3:5] if not part.startswith("-"))
        words = errors or (output.splitlines() or ["it printed nothing"])[-1][:300]
        raise CouldNotRunError(f"bank {name} failed: {words}")
    return output


async def run_for_output(
    command: Sequence[str], environment: Mapping[str, str], *, stdin: str = "", timeout_s: float | None = None
) -> tuple[int, str, str]:
    """Run one of the bank's commands; return its exit code, its standard output and its standard error.

    A command that does not end in time is killed.
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
            output, errors = await process.communicate(stdin.encode())
    except TimeoutError:
        return -signal.SIGKILL, "", f"was not done within {timeout_s:g} seconds"
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    output_text, error_text = (text.decode(errors="replace").strip() for text in (output, errors))
    return process.returncode or 0, output_text, error_text


def last_line(text: str) -> str:
    """Return the last line of a text, at most 300 characters of it."""
    lines = text.splitlines()
    return lines[-1][:300] if lines else ""


BANK = (sys.executable, "-m", "bank")
"""The bank's command line, executed by the current interpreter."""
