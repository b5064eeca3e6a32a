"""`bank keys`: rotation of the keys that sign access tokens."""

import asyncio
from datetime import timedelta

import click

from bank.cli.actor import enter_command
from bank.cli.log import DATABASE_URL
from bank.cli.parts import open_parts
from bank.encryption.master_key import MasterKey
from bank.identity.signing_keys import RotatedKey, rotate_signing_key
from bank.settings import load_master_key


@click.group()
def keys() -> None:
    """Rotate the keys that sign access tokens."""


@keys.command()
@DATABASE_URL
@click.option(
    "--token-minutes", envvar="BANK_ACCESS_TOKEN_MINUTES", default=15, show_default=True,
    type=click.IntRange(1, 24 * 60), help="The life of an access token. BANK_ACCESS_TOKEN_MINUTES by default.",
)  # fmt: skip
@click.option("--now", "at_once", is_flag=True, help="Refuse tokens of older keys at once: an older key has leaked.")
def rotate(database_url: str | None, token_minutes: int, *, at_once: bool) -> None:
    """Make a new key for access tokens. Safe while the bank runs.

    Every worker loads it, then it signs. Older keys are accepted until their last token has expired. With --now, every
    client has to refresh its session; nobody has to log in again.
    """
    enter_command("keys rotate")
    made = asyncio.run(_rotate(database_url, load_master_key(), timedelta(minutes=token_minutes), at_once=at_once))
    if at_once:
        click.echo(f"Key {made.id} signs from now on. Tokens of older keys are refused.")
    else:
        click.echo(
            f"Key {made.id} signs from {made.signs_from:%Y-%m-%dT%H:%M:%SZ} on. "
            f"Older keys are accepted until {made.older_until:%Y-%m-%dT%H:%M:%SZ}."
        )


async def _rotate(url: str | None, secret: str, token_life: timedelta, *, at_once: bool) -> RotatedKey:
    async with open_parts(url) as parts:
        return await rotate_signing_key(parts.uow_factory, MasterKey(secret), token_life=token_life, at_once=at_once)
