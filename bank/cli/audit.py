"""`bank audit`: signing keys, and verification of the audit trail."""

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path
from time import perf_counter

import asyncpg
import click
import msgspec

from bank.audit.keys import PublicKeys, load_public_keys, make_key
from bank.audit.verify_trail import AuditVerdict, verify_trail
from bank.cli.environment import required_database_url
from bank.database.failures import CONNECTION_LOST, reason
from bank.database.migrate import require_level
from bank.database.pool import Database
from bank.errors import BadInput, Unavailable

_FILE = click.Path(dir_okay=False, path_type=Path)


@click.group()
def audit() -> None:
    """Make signing keys, and verify the audit trail."""


@audit.command()
@click.option("--key", default="audit-key.pem", show_default=True, type=_FILE, help="The file for the private key.")
@click.option(
    "--public-key", default="audit-key.pub.pem", show_default=True, type=_FILE, help="The file for the public key."
)
def keygen(key: Path, public_key: Path) -> None:
    """Make an Ed25519 key for signing the heads of the audit chain. It never overwrites an existing key."""
    id_ = make_key(key, public_key)
    click.echo(f"Key {id_}: {key} signs, {public_key} verifies. Keep the second where the bank cannot write.")


@audit.command()
@click.option("--database-url", envvar="DATABASE_URL", help="DATABASE_URL by default.")
@click.option(
    "--heads", envvar="BANK_AUDIT_HEADS_FILE", multiple=True, type=_FILE,
    help="A file of signed heads; may be given several times. BANK_AUDIT_HEADS_FILE by default.",
)  # fmt: skip
@click.option(
    "--public-key", envvar="BANK_AUDIT_PUBLIC_KEY_FILE", multiple=True, type=_FILE,
    help="The public key of the heads; several, if the key was replaced. BANK_AUDIT_PUBLIC_KEY_FILE by default.",
)  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON.")
def verify(database_url: str | None, heads: tuple[Path, ...], public_key: tuple[Path, ...], *, as_json: bool) -> None:
    """Verify the audit trail: no row was edited, deleted, moved, inserted or cut off.

    Only signed heads show if the whole chain was rewritten. Exit code 0: no error was found. 1: an error was found, and
    the first wrong row is named. 2: the trail could not be verified.
    """
    database_url = required_database_url(database_url)
    if heads and not public_key:
        raise BadInput("Heads are verified with the public key: give --public-key too.")
    started = perf_counter()
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=0, label="Verifying", file=sys.stderr, show_pos=True, hidden=hidden) as bar:

        def show(done: int, total: int) -> None:
            bar.length = total
            bar.update(done - bar.pos)

        found = asyncio.run(_verify(database_url, heads, load_public_keys(public_key), show))
    if as_json:
        report = {
            "whole": not found.findings, **msgspec.to_builtins(found), "seconds": round(perf_counter() - started, 3)
        }  # fmt: skip
        click.echo(msgspec.json.encode(report))
    else:
        for line in _lines(found, with_heads=bool(heads)):
            click.echo(line)
    sys.exit(1 if found.findings else 0)


async def _verify(
    url: str, heads: tuple[Path, ...], keys: PublicKeys, progress: Callable[[int, int], None]
) -> AuditVerdict:
    # One hour. The comparison of log and trail is one statement, which takes a second for each million rows.
    database = Database(url, pool_size=4, pool_timeout_ms=5_000, statement_timeout_ms=3_600_000)
    await database.open()
    try:
        await require_level(database)
        async with (
            database.connection() as connection,
            connection.transaction(isolation="repeatable_read", readonly=True),
        ):
            return await verify_trail(connection, heads=heads, keys=keys, progress=progress)
    except (*CONNECTION_LOST, asyncpg.PostgresError) as error:
        raise Unavailable(f"The audit trail could not be read: {reason(error)}.") from error
    finally:
        await database.close()


def _lines(found: AuditVerdict, *, with_heads: bool) -> list[str]:
    if found.findings:
        first, *others = found.findings
        return [f"Broken: {first.sentence}", *(f"Also: {other.sentence}" for other in others)]
    lines = [f"Whole: {found.rows:,} audit rows, chained without a gap, and every event that the audit has come to."]
    if found.dead_letters:
        lines.append(f"{found.dead_letters:,} events wait as dead letters of the audit and have no row yet.")
    if not with_heads:
        lines.append("Not compared with signed heads, so that a rewritten chain would not be detected.")
    elif not found.signed:
        lines.append("No head has been signed yet.")
    else:
        lines.append(f"{found.signed:,} signed heads agree, the last of them about row {found.signed_number:,}.")
    return lines
