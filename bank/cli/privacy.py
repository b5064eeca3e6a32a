"""`bank privacy`: the rights of persons to their data, for the bank's staff."""

import asyncio
from pathlib import Path
from random import Random
from uuid import UUID

import click
import msgspec

from bank.cli.actor import enter_command
from bank.cli.log import DATABASE_URL, open_database
from bank.cli.parts import open_parts
from bank.clock import SystemClock
from bank.errors import BadInput
from bank.privacy.erase import ErasureResult, erase_person, reapply
from bank.privacy.erasures import ErasureRegister
from bank.privacy.export import PersonalData, export_data
from bank.privacy.identities import Identity, disclose
from bank.privacy.person import find_person
from bank.privacy.policy import KEPT, POLICY
from bank.privacy.retention import DataRetention
from bank.refusal import Refusal


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
    """Delete what is older than the policy of retention keeps. The bank's workers do the same each hour."""
    enter_command("privacy retain")
    deleted = asyncio.run(_retain(database_url, dry_run=dry_run))
    for rule, rows in deleted.items():
        verb = "would be deleted" if dry_run else "deleted"
        policy = POLICY[rule]
        click.echo(f"{rule}: {rows:,} {verb}; {policy.data} are kept for {policy.term} from {policy.since}.")
    for rule, policy in POLICY.items():
        if rule not in deleted:
            kept = "The workers delete them each hour" if policy.deletes else "Nothing is deleted"
            click.echo(
                f"{rule}: {kept}; {policy.data} are kept for {policy.term} from {policy.since} ({policy.source})."
            )


async def _retain(url: str | None, *, dry_run: bool) -> dict[str, int]:
    async with open_database(url) as database:
        retention = DataRetention(database, SystemClock(), Random())  # noqa: S311 - jitter, no secret
        return await (retention.count() if dry_run else retention.run_once())


_ERASURES_FILE = click.option(
    "--erasures-file",
    envvar="BANK_ERASURES_FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The register of erasures. BANK_ERASURES_FILE by default.",
)


@privacy.command()
@click.argument("person", metavar="EMAIL|ID")
@click.option("--dry-run", is_flag=True, help="Only say if the erasure is possible, and what is kept.")
@_ERASURES_FILE
@DATABASE_URL
def erase(person: str, erasures_file: Path | None, database_url: str | None, *, dry_run: bool) -> None:
    """Erase a user for ever: profile, key, sessions and accounts. Refused while money or holds are left."""
    enter_command("privacy erase")
    result = asyncio.run(_erase(database_url, ErasureRegister(erasures_file), person, dry_run=dry_run))
    verb = "would be erased" if dry_run else "is erased"
    numbers = ", ".join(result.closed_accounts) or "none"
    click.echo(f"User {result.person_id} {verb}. Accounts that close: {numbers}.")
    if erasures_file is None:
        click.echo("BANK_ERASURES_FILE is not set: an older backup, once restored, brings this person back.", err=True)
    for rule in KEPT:
        click.echo(f"Kept, with nothing readable about the person: {rule.data}, {rule.term} from {rule.since}. "
                   f"{rule.reason} {rule.source}.")  # fmt: skip


async def _erase(url: str | None, register: ErasureRegister, person: str, *, dry_run: bool) -> ErasureResult:
    async with open_parts(url) as parts:
        async with parts.database.connection() as connection:
            person_id = await find_person(connection, parts.cipher, person)
        result = await erase_person(parts.uow_factory, register, person_id=person_id, by=None, dry_run=dry_run)
    if isinstance(result, Refusal):
        raise BadInput(result.message)
    return result


@privacy.command("disclose")
@click.argument("person_id", metavar="ID", type=click.UUID)
@click.option("--reason", required=True, help="The reason, such as the number of a court order. It is on record.")
@DATABASE_URL
def disclose_identity(person_id: UUID, reason: str, database_url: str | None) -> None:
    """Read the identity of an erased user, which the law demands for ten years. On record, with the reason.

    DATABASE_URL names the login that owns the tables.
    """
    enter_command("privacy disclose")
    identity = asyncio.run(_disclose(database_url, person_id, reason))
    click.echo(msgspec.json.encode(identity).decode())


async def _disclose(url: str | None, person_id: UUID, reason: str) -> Identity:
    async with open_parts(url) as parts:
        return await disclose(parts.database.url, parts.cipher, parts.recorder, person_id=person_id, reason=reason)


@privacy.command("reapply")
@_ERASURES_FILE
@DATABASE_URL
def reapply_erasures(erasures_file: Path | None, database_url: str | None) -> None:
    """Erase everybody in the register again, after a restore of an older backup.

    `bank serve` does the same at its start.
    """
    enter_command("privacy reapply")
    if erasures_file is None:
        raise BadInput("BANK_ERASURES_FILE is not set; name the register with --erasures-file.")
    results = asyncio.run(_reapply(database_url, ErasureRegister(erasures_file)))
    for result in results:
        left = f" These accounts have money and stay open: {', '.join(result.left_open)}." if result.left_open else ""
        click.echo(f"User {result.person_id} is erased again.{left}")
    click.echo(f"{len(results):,} users were erased again.")


async def _reapply(url: str | None, register: ErasureRegister) -> list[ErasureResult]:
    async with open_parts(url) as parts:
        results = await reapply(parts.uow_factory, await register.read())
        await register.complete(parts.database)
    return results


async def _export(url: str | None, person: str) -> PersonalData:
    async with open_parts(url) as parts:
        async with parts.database.connection() as connection:
            person_id = await find_person(connection, parts.cipher, person)
        data = await export_data(
            parts.database, parts.cipher, parts.recorder, person_id=person_id, now=parts.clock.now(), by=None
        )
    assert isinstance(data, PersonalData), "only the API limits the rows"
    return data
