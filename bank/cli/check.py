"""`bank check`: verification of the invariants."""

import asyncio
import sys

import click
import msgspec

from bank.cli.environment import required_database_url
from bank.invariants.list import INVARIANTS
from bank.invariants.verify import Verdict, verify


@click.command()
@click.option("--database-url", envvar="DATABASE_URL", help="DATABASE_URL by default.")
@click.option("--json", "as_json", is_flag=True, help="Write the result as JSON.")
def check(database_url: str | None, *, as_json: bool) -> None:
    """Verify every invariant of the books as of one moment. The bank may run meanwhile.

    Exit code 0: all invariants hold. 1: an invariant is broken, and its first wrong row is named. 2: the books could
    not be verified.
    """
    database_url = required_database_url(database_url)
    hidden = not sys.stderr.isatty()
    with click.progressbar(length=1_000, label="Verifying", file=sys.stderr, hidden=hidden) as bar:

        def show(done: float, of: float) -> None:
            bar.update(int(1_000 * done / of) - bar.pos)

        verdict = asyncio.run(verify(database_url, progress=show))
    click.echo(msgspec.json.encode(_report(verdict)) if as_json else "\n".join(_lines(verdict)))
    sys.exit(0 if verdict.is_sound else 1)


def _report(verdict: Verdict) -> dict[str, object]:
    broken = {finding.invariant for finding in verdict.findings}
    return {
        "sound": verdict.is_sound,
        "invariants": {name: name not in broken for name in INVARIANTS},
        **msgspec.to_builtins(verdict),
    }


def _lines(verdict: Verdict) -> list[str]:
    found = {finding.invariant: finding for finding in verdict.findings}
    lines = []
    for name, title in INVARIANTS.items():
        lines.append(f"{'✗' if name in found else '✓'} {name}: {title}")
        if name in found:
            lines.append(f"    {found[name].sentence}")
    counts = (
        f"{verdict.accounts:,} accounts, {verdict.transactions:,} transactions, {verdict.entries:,} entries,"
        f" {verdict.events:,} events and {verdict.audit_rows:,} audit rows"
    )
    moment = verdict.as_of.isoformat(sep=" ", timespec="seconds")
    notes = [f"The audit is {verdict.audit_lag:,} events behind."] if verdict.audit_lag else []
    if verdict.audit_dead_letters:
        notes.append(f"{verdict.audit_dead_letters:,} events wait as dead letters of the audit and have no row yet.")
    if verdict.logins:
        notes.append(f"May work as the bank's role, superusers aside: {', '.join(verdict.logins)}.")
    if verdict.is_sound:
        return [*lines, f"Sound: {counts}, as of {moment}.", *notes]
    broken = f"{len(found)} of {len(INVARIANTS)} invariants"
    return [*lines, f"Broken: {broken}, in {counts}, as of {moment}.", *notes]
