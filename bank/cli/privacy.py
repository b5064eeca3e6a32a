"""`bank privacy`: the rights of persons to their data, for the bank's staff."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from random import Random

import click

from bank.cli.actor import enter_command
from bank.cli.encryption import cipher_for
from bank.cli.log import DATABASE_URL, open_database
from bank.clock import SystemClock
from bank.database.pool import Database
from bank.encryption.cipher import PersonalTextCipher
from bank.events.bus import Bus
from bank.events.origins import EventOrigins
from bank.events.recorder import EventRecorder
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.privacy.export import PersonalData, export_data
from bank.privacy.person import find_person
from bank.privacy.policy import POLICY
from bank.privacy.retention import DataRetention


@dataclass(frozen=True, slots=True)
class _Parts:
    """The parts of the bank that these commands use. The bank's workers deliver the events."""

    database: Database
    clock: SystemClock
    cipher: PersonalTextCipher
    uow_factory: UnitOfWorkFactory
    recorder: EventRecorder


@click.group()
def privacy() -> None:
    """Export, erase and retain the data of persons, as the law says (docs/privacy.md)."""


@privacy.command()
@click.argument("person", metavar="EMAIL|ID")
@click.option("--format", "format_", type=click.Choice(["json", "text"]), default="json", show_default=True,
              help="JSON for programs, or text for people.")  # fmt: skip
@DATABASE_URL
def export(person: str, format_: str, database_url: str | None) -> None:
    """Write everything that the bank stores about a user. The export is on record in the audit trail."""
    enter_command("privacy export")
    data = asyncio.run(_export(database_url, person))
    click.echo(data.as_text() if format_ == "text" else data.as_json(), nl=format_ == "json")


@privacy.command()
@click.option("--dry-run", is_flag=True, help="Only say what would be deleted.")
@DATABASE_URL
def retain(database_url: str | None, *, dry_run: bool) -> None:
    """Delete what is older than the policy of retention keeps. The bank's workers do the same once a day."""
    enter_command("privacy retain")
    for rule, rows in asyncio.run(_retain(database_url, dry_run=dry_run)).items():
        verb = "would be deleted" if dry_run else "deleted"
        policy = POLICY[rule]
        click.echo(f"{rule}: {rows:,} {verb}; {policy.data} are kept for {policy.term} from {policy.since}.")
    for rule, policy in POLICY.items():
        if policy.keep_days is None:
            kept = "The workers delete them each hour" if policy.deletes else "Nothing is deleted"
            click.echo(
                f"{rule}: {kept}; {policy.data} are kept for {policy.term} from {policy.since} ({policy.source})."
            )


async def _retain(url: str | None, *, dry_run: bool) -> dict[str, int]:
    async with open_database(url) as database:
        retention = DataRetention(database, SystemClock(), Random())  # noqa: S311 - jitter, no secret
        return await (retention.count() if dry_run else retention.run_once())


async def _export(url: str | None, person: str) -> PersonalData:
    async with _opened(url) as parts:
        async with parts.database.connection() as connection:
            person_id = await find_person(connection, parts.cipher, person)
        data = await export_data(
            parts.database, parts.cipher, parts.recorder, person_id=person_id, now=parts.clock.now(), by=None
        )
    assert isinstance(data, PersonalData), "only the API limits the rows"
    return data


@asynccontextmanager
async def _opened(url: str | None) -> AsyncIterator[_Parts]:
    async with open_database(url) as database:
        clock = SystemClock()
        cipher = cipher_for(database, clock)
        uow_factory = UnitOfWorkFactory(database, Bus(), clock, EventOrigins(cipher))
        yield _Parts(database, clock, cipher, uow_factory, EventRecorder(uow_factory))
