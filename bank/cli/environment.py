"""The database of a command: the one that is given, or that of a bank which runs on its own servers here."""

import os
import shlex
from pathlib import Path

import click

from bank.settings import SettingsError

DATA_FOLDER = "bank-data"
ENVIRONMENT_FILE = "environment"
SAVED_NAMES = (
    "DATABASE_URL",
    "REDIS_URL",
    "BANK_AUDIT_KEY_FILE",
    "BANK_AUDIT_HEADS_FILE",
    "BANK_AUDIT_PUBLIC_KEY_FILE",
)
"""The variables that `bank serve` writes into its data folder, when it runs on servers of its own."""


def use_environment_beside() -> None:
    """Set what `bank-data/environment` says, where neither server is named and a bank keeps its data here."""
    if os.environ.get("DATABASE_URL") or os.environ.get("REDIS_URL"):
        return
    path = Path(DATA_FOLDER) / ENVIRONMENT_FILE
    try:
        text = path.read_text()
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        click.echo(f"bank: {path} cannot be read: {error.strerror}.", err=True)
        return
    for name, value in _exports(text).items():
        os.environ.setdefault(name, value)
    click.echo(f"bank: using {path}", err=True)


def required_database_url(value: str | None) -> str:
    """Return the URL. Raises `SettingsError`, which says what to do, where there is none."""
    if not value:
        raise SettingsError(
            f"DATABASE_URL is not set. Set it, or run this in the folder where `bank serve` has its {DATA_FOLDER}."
        )
    return value


def _exports(text: str) -> dict[str, str]:
    """Read lines of `export NAME=value` of the known names; nothing of the file is executed."""
    found = {}
    for line in text.splitlines():
        words = shlex.split(line)
        if len(words) == 2 and words[0] == "export":
            name, _, value = words[1].partition("=")
            if name in SAVED_NAMES:
                found[name] = value
    return found
