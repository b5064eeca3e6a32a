"""`bank`: the group of all commands."""

import sys
from importlib import import_module

import click
import structlog

from bank.cli.environment import load_environment_file
from bank.errors import BankError, OperatorError
from bank.settings import SettingsError
from bank.telemetry.exceptions import describe, format_exception
from bank.telemetry.masking import mask_text

SERVE = "serve"
# Each is the name of a module of this package and of the command in it. The module is imported when its command runs,
# because a web server and a GraphQL engine take longer to import than `bank check` takes to verify a small database.
COMMANDS = ("audit", "check", "events", "keys", "migrate", "privacy", SERVE, "templates", "users")


class _Group(click.Group):
    """The group of the commands, which writes errors an operator can correct as one sentence, with exit code 2.

    Every other error is a bug and is written with its traceback, without values of rows that the database quotes. Its
    exit code is 2 as well, since 1 is a result of some commands.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(import_module(f"bank.cli.{cmd_name}"), cmd_name)
        return command

    def invoke(self, ctx: click.Context) -> object:
        try:
            return super().invoke(ctx)
        except (SettingsError, OperatorError, BankError) as error:
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
    if ctx.invoked_subcommand != SERVE:
        load_environment_file()
