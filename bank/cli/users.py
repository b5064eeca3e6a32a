"""`bank users`: registration of administrators and changes of roles, which the API does not offer."""

import asyncio
import codecs
import sys

import click

from bank.cache.trust import TRUST_S
from bank.cli.actor import enter_command
from bank.cli.encryption import cipher_for
from bank.cli.environment import required_database_url
from bank.clock import SystemClock
from bank.database.migrate import require_level
from bank.database.pool import Database
from bank.errors import BadInput
from bank.events.bus import Bus
from bank.events.origins import EventOrigins
from bank.events.recorder import EventRecorder
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.identity.email_address import normalise_email
from bank.identity.passwords import Passwords
from bank.identity.register import Register, register_user
from bank.identity.roles import change_role
from bank.refusal import Refusal

# Room for the longest password in the widest encoding, with its line end.
PASSWORD_BYTES_MAX = 8_192

_DATABASE_URL = click.option("--database-url", envvar="DATABASE_URL", help="DATABASE_URL by default.")


@click.group()
def users() -> None:
    """Register administrators, and change the roles of users."""


@users.command("create-admin")
@click.option("--email", required=True, help="The address to log in with.")
@click.option("--name", default="Administrator", show_default=True, help="The full name.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@_DATABASE_URL
def create_admin(email: str, name: str, database_url: str | None, *, password_stdin: bool) -> None:
    """Register an administrator."""
    if password_stdin:
        password = _first_line(sys.stdin.buffer.read(PASSWORD_BYTES_MAX))
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    command = Register(email=email, full_name=name, cpf=None, password=password, role="ADMIN")
    enter_command("users create-admin")
    asyncio.run(_create(required_database_url(database_url), command))
    click.echo(f"{normalise_email(email)} is an administrator.")


@users.command("set-role")
@click.argument("email")
@click.argument("role", type=click.Choice(["OPERATOR", "ADMIN", "CUSTOMER"], case_sensitive=False))
@_DATABASE_URL
def set_role(email: str, role: str, database_url: str | None) -> None:
    """Change the role of a registered user. It has effect at once, because their sessions are closed."""
    enter_command("users set-role")
    address = normalise_email(email)
    if address is None:
        raise BadInput(f"{email!r} is not an e-mail address.")
    asyncio.run(_set_role(required_database_url(database_url), address, role.upper()))
    click.echo(f"{address} is {role.lower()} now.")


def _first_line(data: bytes) -> str:
    """Return the first line of standard input, without byte order mark and line end.

    Raises `BadInput` if it is not text.
    """
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise BadInput("The password on standard input is not UTF-8 text.") from None
    return next(iter(text.splitlines()), "")


def _database(url: str) -> Database:
    return Database(url, pool_size=4, pool_timeout_ms=5_000, statement_timeout_ms=5_000)


async def _create(url: str, command: Register) -> None:
    database = _database(url)
    await database.open()
    passwords = Passwords()
    try:
        await require_level(database)
        clock = SystemClock()
        # The subscribers run in the bank's workers, and read the event from the log.
        uow_factory = UnitOfWorkFactory(database, Bus(), clock, EventOrigins(cipher_for(database, clock)))
        result = await register_user(uow_factory, EventRecorder(uow_factory), passwords, command)
    finally:
        passwords.close()
        await database.close()
    if isinstance(result, Refusal):
        raise BadInput(result.message)


async def _set_role(url: str, email: str, role: str) -> None:
    database = _database(url)
    await database.open()
    try:
        await require_level(database)
        clock = SystemClock()
        uow_factory = UnitOfWorkFactory(database, Bus(), clock, EventOrigins(cipher_for(database, clock)))
        changed = await change_role(uow_factory, email=email, role=role)
        # After this time, every worker has received the notification of the closed sessions, or trusts only the
        # database.
        await asyncio.sleep(TRUST_S)
    finally:
        await database.close()
    if changed is None:
        raise BadInput(f"There is no user {email}.")
