"""`bank keys`: rotation of the keys that sign access tokens."""

import asyncio
from datetime import timedelta

import click

from bank.cli.actor import enter_command
from bank.cli.encryption import cipher_for
from bank.cli.environment import required_database_url
from bank.clock import SystemClock
from bank.database.migrate import require_level
from bank.database.pool import Database
from bank.encryption.master_key import MasterKey
from bank.events.bus import Bus
from bank.events.origins import EventOrigins
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.identity.signing_keys import RotatedKey, rotate_signing_key
from bank.settings import load_master_key


@click.group()
def keys() -> None:
    """Rotate the keys that sign access tokens."""


@keys.command()
@click.option("--database-url", envvar="DATABASE_URL", help="DATABASE_URL by default.")
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
    url, secret = required_database_url(database_url), load_master_key()
    enter_command("keys rotate")
    made = asyncio.run(_rotate(url, secret, timedelta(minutes=token_minutes), at_once=at_once))
    if at_once:
        click.echo(f"Key {made.id} signs from now on. Tokens of older keys are refused.")
    else:
        click.echo(
            f"Key {made.id} signs from {made.signs_from:%Y-%m-%dT%H:%M:%SZ} on. "
            f"Older keys are accepted until {made.older_until:%Y-%m-%dT%H:%M:%SZ}."
        )


async def _rotate(url: str, secret: str, token_life: timedelta, *, at_once: bool) -> RotatedKey:
    database = Database(url, pool_size=4, pool_timeout_ms=5_000, statement_timeout_ms=5_000)
    await database.open()
    try:
        await require_level(database)
        clock = SystemClock()
        uow_factory = UnitOfWorkFactory(database, Bus(), clock, EventOrigins(cipher_for(database, clock)))
        return await rotate_signing_key(uow_factory, MasterKey(secret), token_life=token_life, at_once=at_once)
    finally:
        await database.close()
