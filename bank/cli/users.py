"""`bank users`: what no customer may do over the API."""

import asyncio
import codecs
import getpass
import os
import socket
import sys

import click

from bank.cache.trust import TRUST_S
from bank.cli.environment import required_database_url
from bank.clock import SystemClock
from bank.database.migrate import require_level
from bank.database.pool import Database
from bank.errors import BadInput
from bank.events.bus import Bus
from bank.events.recorder import EventRecorder
from bank.events.work import Work
from bank.identifiers import uuid7
from bank.identity.email_address import normalise_email
from bank.identity.passwords import Passwords
from bank.identity.register import Register, register_user
from bank.identity.roles import change_role
from bank.refusal import Refusal
from bank.telemetry.context import RequestContext, enter_context

# A password of the greatest length in the widest encoding, and its line's end.
PASSWORD_BYTES_MAX = 8_192

_DATABASE_URL = click.option("--database-url", envvar="DATABASE_URL", help="DATABASE_URL by default.")


@click.group()
def users() -> None:
    """Make staff of people."""


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
    _enter("create-admin")
    asyncio.run(_create(required_database_url(database_url), command))
    click.echo(f"{normalise_email(email)} is an administrator.")


@users.command("set-role")
@click.argument("email")
@click.argument("role", type=click.Choice(["OPERATOR", "ADMIN", "CUSTOMER"], case_sensitive=False))
@_DATABASE_URL
def set_role(email: str, role: str, database_url: str | None) -> None:
    """Give a registered user another role. It counts at once: their sessions are closed."""
    _enter("set-role")
    address = normalise_email(email)
    if address is None:
        raise BadInput(f"{email!r} is not an e-mail address.")
    asyncio.run(_set_role(required_database_url(database_url), address, role.upper()))
    click.echo(f"{address} is {role.lower()} now.")


def _first_line(data: bytes) -> str:
    """Return the first line of what was piped in, without the marks that editors and Windows put around it.

    Raises `BadInput` where it is not text.
    """
    encoding = "utf-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        raise BadInput("The password on standard input is not UTF-8 text.") from None
    return next(iter(text.splitlines()), "")


def _enter(command: str) -> None:
    """Say who does this: nobody who is logged in to the bank, so the account on this machine."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError):  # a container's number without a name
        name = f"uid {os.getuid()}"
    agent = f"bank users {command}, run by {name} on {socket.gethostname()}"
    enter_context(RequestContext(correlation_id=str(uuid7()), user_agent=agent[:255]))


def _database(url: str) -> Database:
    return Database(url, pool_size=4, pool_timeout_ms=5_000, statement_timeout_ms=5_000)


async def _create(url: str, command: Register) -> None:
    database = _database(url)
    await database.open()
    passwords = Passwords()
    try:
        await require_level(database)
        clock = SystemClock()
        # The event's subscribers run in the bank's workers; they find it in the log.
        work = Work(database, Bus(), clock)
        result = await register_user(work, EventRecorder(work), passwords, command)
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
        changed = await change_role(Work(database, Bus(), clock), email=email, role=role)
        # By now every worker has heard that the sessions are closed, or believes nothing but the database.
        await asyncio.sleep(TRUST_S)
    finally:
        await database.close()
    if changed is None:
        raise BadInput(f"There is no user {email}.")
