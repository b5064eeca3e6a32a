"""`bank users`: registration of administrators, changes of roles, and second factors that an operator sets up."""

import asyncio
import codecs
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TypeVar

import click

from bank.cache.trust import TRUST_S
from bank.cli.actor import enter_command
from bank.cli.log import DATABASE_URL
from bank.cli.parts import open_parts
from bank.errors import BadInput
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.identity.email_address import normalise_email
from bank.identity.passwords import Passwords
from bank.identity.register import Register, register_user
from bank.identity.reset_second_factor import SetUp, reset_second_factor, set_up_second_factor
from bank.identity.roles import change_role
from bank.identity.unlock import unlock_known_login
from bank.refusal import Refusal

# Room for the longest password in the widest encoding, with its line end.
PASSWORD_BYTES_MAX = 8_192

Result = TypeVar("Result")


@click.group()
def users() -> None:
    """Register administrators, and change the roles and second factors of users."""


@users.command("create-admin")
@click.option("--email", required=True, help="The address to log in with.")
@click.option("--name", default="Administrator", show_default=True, help="The full name.")
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input instead of asking for it.")
@click.option("--second-factor", is_flag=True, help="Set up a second factor too, and print it.")
@DATABASE_URL
def create_admin(email: str, name: str, database_url: str | None, *, password_stdin: bool, second_factor: bool) -> None:
    """Register an administrator.

    With `--second-factor`, write down what is printed, as for `set-up-second-factor`.
    """
    if password_stdin:
        password = _first_line(sys.stdin.buffer.read(PASSWORD_BYTES_MAX))
    else:
        password = click.prompt("Password", hide_input=True, confirmation_prompt=True)
    command = Register(email=email, full_name=name, cpf=None, password=password, role="ADMIN")
    enter_command("users create-admin")
    made = asyncio.run(_create(database_url, command, second_factor=second_factor))
    click.echo(f"{normalise_email(email)} is an administrator.")
    if made is not None:
        _show(made)


@users.command("set-role")
@click.argument("email")
@click.argument("role", type=click.Choice(["OPERATOR", "ADMIN", "CUSTOMER"], case_sensitive=False))
@DATABASE_URL
def set_role(email: str, role: str, database_url: str | None) -> None:
    """Change the role of a registered user. It has effect at once, because their sessions are closed."""
    enter_command("users set-role")
    address = _address(email)
    change = partial(change_role, email=address, role=role.upper())
    if asyncio.run(_run(database_url, change)) is None:
        raise BadInput(f"There is no user {address}.")
    click.echo(f"{address} is {role.lower()} now.")


@users.command("set-up-second-factor")
@click.option("--email", required=True, help="The address of the user.")
@DATABASE_URL
def set_up_second_factor_of(email: str, database_url: str | None) -> None:
    """Give a user a new second factor: the first administrator, or somebody who has lost theirs.

    Write down what is printed: the secret for the authenticator app, its URI for a QR code, and the recovery codes.
    The user's sessions are closed.
    """
    enter_command("users set-up-second-factor")
    address = _address(email)
    made = asyncio.run(_run(database_url, partial(set_up_second_factor, email=address)))
    if made is None:
        raise BadInput(f"There is no user {address}.")
    _show(made)


@users.command("reset-second-factor")
@click.option("--email", required=True, help="The address of the user.")
@DATABASE_URL
def reset_second_factor_of(email: str, database_url: str | None) -> None:
    """Take the second factor of a user away, who has lost phone and recovery codes. The user's sessions are closed."""
    enter_command("users reset-second-factor")
    address = _address(email)
    found = asyncio.run(_run(database_url, partial(reset_second_factor, email=address)))
    if found is None:
        raise BadInput(f"There is no user {address}.")
    click.echo(f"{address} has no second factor now." if found else f"{address} had no second factor.")


def _show(made: SetUp) -> None:
    click.echo(f"secret: {made.secret}")
    click.echo(f"uri: {made.otpauth_uri}")
    for code in made.recovery_codes:
        click.echo(f"recovery code: {code}")


def _address(email: str) -> str:
    """Return the normal form of an address. Raises `BadInput` for a text that is none."""
    address = normalise_email(email)
    if address is None:
        raise BadInput(f"{email!r} is not an e-mail address.")
    return address


@users.command("unlock")
@click.option("--email", required=True, help="The address of the user.")
@DATABASE_URL
def unlock(email: str, database_url: str | None) -> None:
    """End the delay after failed logins of a user, whether or not there is one."""
    enter_command("users unlock")
    address = _address(email)
    if not asyncio.run(_unlock(database_url, address)):
        raise BadInput(f"There is no user {address}.")
    click.echo(f"The login of {address} has no delay.")


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


async def _create(url: str | None, command: Register, *, second_factor: bool) -> SetUp | None:
    passwords = Passwords()
    try:
        async with open_parts(url) as parts:
            result = await register_user(parts.uow_factory, parts.recorder, passwords, command)
            if isinstance(result, Refusal):
                raise BadInput(result.message)
            if not second_factor:
                return None
            # A user without sessions, so that no worker has to be waited for.
            return await set_up_second_factor(parts.uow_factory, email=_address(command.email))
    finally:
        passwords.close()


async def _run(url: str | None, change: Callable[[UnitOfWorkFactory], Awaitable[Result]]) -> Result:
    """Return the result of a change that closes sessions, once no worker accepts them any more."""
    async with open_parts(url) as parts:
        result = await change(parts.uow_factory)
        # After this time, every worker has received the notification of the closed sessions, or trusts only the
        # database.
        await asyncio.sleep(TRUST_S)
    return result


async def _unlock(url: str | None, address: str) -> bool:
    async with open_parts(url) as parts:
        return await unlock_known_login(parts.uow_factory, address)
