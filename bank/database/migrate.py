"""Migration of a database to the schema of this version, and checks of its migration level."""

from pathlib import Path
from typing import Any

import asyncpg
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy.exc import DBAPIError

from bank.database.failures import CONNECTION_LOST, error_for_client, reason
from bank.database.pool import Database
from bank.errors import OperatorError, Unavailable

_MIGRATIONS = Path(__file__).parent / "migrations"


class WrongMigrationLevel(OperatorError):
    """The database is not at the migration level of this version; the message has the remedy."""


class ForeignDatabase(OperatorError):
    """The database belongs to another program than this bank; the message has the reason. Nothing was changed."""


class MissingPrivilege(OperatorError):
    """The user of the URL does not have the privileges for a migration; the message has the remedy."""


def _config(url: str) -> Config:
    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    config.attributes["url"] = url
    return config


def upgrade(url: str, *, level: str = "head") -> None:
    """Apply the missing migrations up to `level`. Safe to repeat, and to run in two processes at once.

    Raises `Unavailable` if the server does not respond, `MissingPrivilege` if the user does not have the privileges,
    and `ForeignDatabase` if the schema belongs to another program.
    """
    try:
        command.upgrade(_config(url), level)
    except CommandError as error:
        # Alembic's text names the revision that it cannot find.
        raise ForeignDatabase(
            f"The database is at a migration that this bank does not know ({error}): it belongs to something else, or "
            "to a newer bank. Nothing was changed."
        ) from error
    except DBAPIError as error:
        driver_error = _driver_error(error)
        if error_for_client(driver_error) is not None:
            raise Unavailable(f"The database does not answer: {reason(driver_error)}.") from error
        if getattr(error.orig, "sqlstate", None) != asyncpg.InsufficientPrivilegeError.sqlstate:
            raise
        # The text of SQLAlchemy's error quotes the whole statement.
        raise MissingPrivilege(_sentence(error)) from error
    except (*CONNECTION_LOST, asyncpg.PostgresError) as error:
        raise Unavailable(f"The database does not answer: {reason(error)}.") from error


def _driver_error(error: BaseException) -> BaseException:
    """Return the driver's error that SQLAlchemy has wrapped."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def _sentence(error: DBAPIError) -> str:
    text = str(_driver_error(error))
    return text if text.endswith((".", ";")) else f"The database refuses the migration: {text}."


def expected_level() -> str:
    """Return the migration level of this version."""
    head = ScriptDirectory.from_config(_config("")).get_current_head()
    assert head is not None
    return head


async def require_level(database: Database) -> None:
    """Raise `WrongMigrationLevel` unless the database is at the migration level of this version."""
    async with database.connection() as connection:
        await require_level_of(connection)


async def require_level_of(connection: Any) -> None:
    """Raise `WrongMigrationLevel` as `require_level` does, for the database of a connection."""
    exists = await connection.fetchval("select to_regclass('alembic_version') is not null")
    level = await connection.fetchval("select version_num from alembic_version") if exists else None
    if level != (expected := expected_level()):
        found = f"at migration {level}" if level else "not migrated at all"
        raise WrongMigrationLevel(f"The database is {found}, this bank needs {expected}: run `bank migrate` first.")
