"""The environment of a command: the variables that are set, or those of a bank with its own servers in this folder."""

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
    "BANK_TOKEN_SECRET_FILE",
    "BANK_MASTER_KEY_FILE",
    "BANK_AUDIT_KEY_FILE",
    "BANK_AUDIT_HEADS_FILE",
    "BANK_AUDIT_PUBLIC_KEY_FILE",
    "BANK_ERASURES_FILE",
)
"""The variables that `bank serve` writes to its data folder when it runs with its own servers."""


def load_environment_file() -> None:
    """Set the variables of the file `bank-data/environment`, if it exists and no server is named yet."""
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
    """Return the URL. Raises `SettingsError`, with the remedy, if there is none."""
    if not value:
        raise SettingsError(
            f"DATABASE_URL is not set. Set it, or run this in the folder where `bank serve` has its {DATA_FOLDER}."
        )
    return value


def _exports(text: str) -> dict[str, str]:
    """Return the variables of the lines `export NAME=value` with known names. The file is not executed."""
    found = {}
    for line in text.splitlines():
        words = shlex.split(line)
        if len(words) == 2 and words[0] == "export":
            name, _, value = words[1].partition("=")
            if name in SAVED_NAMES:
                found[name] = value
    return found
