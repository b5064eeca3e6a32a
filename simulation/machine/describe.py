"""The machine of a run and the version of the project, so that two reports can be compared."""

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path

from simulation.model.machine import MachineFacts

PROJECT = Path(__file__).parents[2]


def describe_machine(*, cores: float, load: float) -> MachineFacts:
    """Return the facts of this machine and this installation."""
    system = f"{platform.system()} {platform.release()} {platform.machine()}"
    return MachineFacts(system, platform.python_version(), cores, load, version("event-driven-bank"), _commit())


def _commit() -> str | None:
    head = _git("rev-parse", "--short=12", "HEAD")
    if not head:
        return None
    return head + ("+" if _git("status", "--porcelain", "--untracked-files=no") else "")


def _git(*arguments: str) -> str:
    """Return the output of git in the project's own clone; an empty text without a clone or without git."""
    if not (PROJECT / ".git").exists():
        return ""
    try:
        done = subprocess.run(["git", "-C", str(PROJECT), *arguments], capture_output=True, text=True, check=True)  # noqa: S603, S607 - fixed words; git is where the caller's PATH has it
    except (OSError, subprocess.CalledProcessError):
        return ""
    return done.stdout.strip()
