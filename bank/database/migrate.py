"""Bring a database to the schema that this code expects, and say how far it is."""

from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from bank.database.failures import CONNECTION_LOST, reason, told_of
from bank.database.pool import Database
from bank.errors import Unavailable

_MIGRATIONS = Path(__file__).parent / "migrations"


class WrongMigrationLevel(Exception):
    """The database is not at the schema that this code expects; the message says what to do."""


class ForeignDatabase(Exception):
    """The database belongs to something else than this bank; the message says why, and nothing was changed."""


class MissingPrivilege(Exception):
    """The user of the URL may not do what a migration has to; the message says what an administrator does."""


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["url"] = url
    return config


def upgrade(url: str, *, level: str = "head") -> None:
    """Apply every migration up to `level` that the database does not have yet. Safe to run twice, and by two at once.

    Raises `Unavailable` where the server does not answer, `MissingPrivilege` where the user may not do it,
    `ForeignDatabase` where the schema belongs to something else.
    """
    try:
        command.upgrade(_config(url), level)
    except CommandError as error:
        # Alembic's own text says which revision it cannot find.
        raise ForeignDatabase(
            f"The database is at a migration that this bank does not know ({error}): it belongs to something else, or "
            "to a newer bank. Nothing was changed."
        ) from error
    except DBAPIError as error:
        refusal = _refusal(error)
        if told_of(refusal) is not None:
            raise Unavailable(f"The database does not answer: {reason(refusal)}.") from error
        if getattr(error.orig, "sqlstate", None) != asyncpg.InsufficientPrivilegeError.sqlstate:
            raise
        # SQLAlchemy's own text quotes the whole statement.
        raise MissingPrivilege(_sentence(error)) from error
    except (*CONNECTION_LOST, asyncpg.PostgresError) as error:
        raise Unavailable(f"The database does not answer: {reason(error)}.") from error


def _refusal(error: BaseException) -> BaseException:
    """Return what the driver raised, of which SQLAlchemy has made its own error."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _sentence(error: DBAPIError) -> str:
    text = str(_refusal(error))
    return text if text.endswith((".", ";")) else f"The database refuses the migration: {text}."


def expected_level() -> str:
    """Return the revision that this code needs."""
    head = ScriptDirectory.from_config(_config("")).get_current_head()
    assert head is not None
    return head


async def require_level(database: Database) -> None:
    """Raise `WrongMigrationLevel` unless the database is at the revision that this code needs."""
    async with database.connection() as connection:
        await require_level_of(connection)


async def require_level_of(connection: Any) -> None:
    """As `require_level`, of the database that a connection is to."""
    exists = await connection.fetchval("select to_regclass('alembic_version') is not null")
    level = await connection.fetchval("select version_num from alembic_version") if exists else None
    if level != (expected := expected_level()):
        found = f"at migration {level}" if level else "not migrated at all"
        raise WrongMigrationLevel(f"The database is {found}, this bank needs {expected}: run `bank migrate` first.")
