"""`bank users`: registration of administrators and changes of roles, which the API does not offer."""

import asyncio
import codecs
import sys

import click

from bank.cache.trust import TRUST_S
from bank.cli.actor import enter_command
from bank.cli.log import DATABASE_URL
from bank.cli.parts import open_parts
from bank.errors import BadInput
from bank.identity.email_address import normalise_email
from bank.identity.passwords import Passwords
from bank.identity.register import Register, register_user
from bank.identity.roles import change_role
from bank.refusal import Refusal

# Room for the longest password in the widest encoding, with its line end.
PASSWORD_BYTES_MAX = 8_192


@click.group()
def users() -> None:
    """Register administrators, and change the roles of users."""


@users.command("create-admin")
@click.option("--email", required=True, help="The address to log in with.")
@click.option("--name", default="Administrator", show_default=True, help="The full name.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@DATABASE_URL
def create_admin(email: str, name: str, database_url: str | None, *, password_stdin: bool) -> None:
    """Register an administrator."""
    if password_stdin:
        password = _first_line(sys.stdin.buffer.read(PASSWORD_BYTES_MAX))
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    command = Register(email=email, full_name=name, cpf=None, password=password, role="ADMIN")
    enter_command("users create-admin")
    asyncio.run(_create(database_url, command))
    click.echo(f"{normalise_email(email)} is an administrator.")


@users.command("set-role")
@click.argument("email")
@click.argument("role", type=click.Choice(["OPERATOR", "ADMIN", "CUSTOMER"], case_sensitive=False))
@DATABASE_URL
def set_role(email: str, role: str, database_url: str | None) -> None:
    """Change the role of a registered user. It has effect at once, because their sessions are closed."""
    enter_command("users set-role")
    address = normalise_email(email)
    if address is None:
        raise BadInput(f"{email!r} is not an e-mail address.")
    asyncio.run(_set_role(database_url, address, role.upper()))
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


async def _create(url: str | None, command: Register) -> None:
    passwords = Passwords()
    try:
        async with open_parts(url) as parts:
            result = await register_user(parts.uow_factory, parts.recorder, passwords, command)
    finally:
        passwords.close()
    if isinstance(result, Refusal):
        raise BadInput(result.message)


async def _set_role(url: str | None, email: str, role: str) -> None:
    async with open_parts(url) as parts:
        changed = await change_role(parts.uow_factory, email=email, role=role)
        # After this time, every worker has received the notification of the closed sessions, or trusts only the
        # database.
        await asyncio.sleep(TRUST_S)
    if changed is None:
        raise BadInput(f"There is no user {email}.")
