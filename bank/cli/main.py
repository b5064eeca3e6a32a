"""`bank`: the group of all commands."""

import sys

import click
import structlog

from bank.cli.audit import audit
from bank.cli.check import check
from bank.cli.environment import load_environment_file
from bank.cli.events import events
from bank.cli.keys import keys
from bank.cli.migrate import migrate
from bank.cli.privacy import privacy
from bank.cli.serve import serve
from bank.cli.users import users
from bank.database.migrate import ForeignDatabase, MissingPrivilege, WrongMigrationLevel
from bank.database.pool import WrongRole
from bank.encryption.master_key import WrongMasterKey
from bank.errors import BankError
from bank.settings import SettingsError
from bank.telemetry.exceptions import describe, format_exception
from bank.telemetry.masking import mask_text

# Errors that an operator can correct.
_CORRECTABLE = (
    SettingsError,
    WrongMigrationLevel,
    WrongMasterKey,
    ForeignDatabase,
    MissingPrivilege,
    WrongRole,
    BankError,
)


class _Group(click.Group):
    """A group of commands that writes errors an operator can correct as one sentence, with exit code 2.

    Every other error is a bug and is written with its traceback, without values of rows that the database quotes. Its
    exit code is 2 as well, since 1 is a result of some commands.
    """

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except _CORRECTABLE as error:
            click.echo(f"bank: {error}", err=True)
        except (click.ClickException, click.Abort, click.exceptions.Exit, BrokenPipeError):
            raise
        except Exception as error:
            if structlog.is_configured():
                raise  # the hook for uncaught exceptions writes it to the log
            click.echo(mask_text(format_exception((type(error), error, error.__traceback__))), err=True)
            click.echo(f"bank: {ctx.invoked_subcommand} failed: {mask_text(describe(error))}", err=True)
        sys.exit(2)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="event-driven-bank", prog_name="bank")
@click.pass_context
def main(ctx: click.Context) -> None:
    """Run an event-driven bank: a GraphQL API on PostgreSQL and Redis.

    Configured by environment variables: DATABASE_URL, REDIS_URL, BANK_TOKEN_SECRET,
    BANK_MASTER_KEY and others (docs/settings.md).
    If neither URL is set, `bank serve` starts its own servers and keeps their data in the folder bank-data. The other
    commands use these servers when they run in the same place.
    """
    if ctx.invoked_subcommand != serve.name:
        load_environment_file()


main.add_command(serve)
main.add_command(migrate)
main.add_command(users)
main.add_command(audit)
main.add_command(check)
main.add_command(events)
main.add_command(keys)
main.add_command(privacy)
