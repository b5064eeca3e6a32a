"""The days of every account are the sums of its entries.

A subscriber makes them from events only. So this check also finds an event that the subscriber has missed or counted
twice.
"""

from collections import defaultdict

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.database_state import DayRow, EntryRow
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "days_match_entries"
TITLE = "The days of every account are the sums of its entries"


def check(evidence: Evidence) -> CheckResult:
    """Calculate the sums of the entries by account and day, and compare the projection with them."""
    builder = CheckResultBuilder(NAME, TITLE)
    database = evidence.database
    if database is None:
        builder.mark_unknown(NO_DATABASE)
        return builder.result()
    entries: dict[tuple[str, str], list[EntryRow]] = defaultdict(list)
    for account_id, rows in database.entries.items():
        for entry in rows:
            entries[account_id, entry.day].append(entry)
    counted = {(day.account_id, day.day): day for day in database.days}
    for place in sorted(entries.keys() | counted.keys()):
        builder.examine()
        due = _added_up(*place, entries.get(place, []))
        found = counted.get(place, DayRow(*place, 0, 0, 0, 0, 0))
        if found != due:
            builder.add_violation(
                f"account {place[0]} on {place[1]}: the projection says {_words(found)}, the entries {_words(due)}",
                abs(found.debited_minor - due.debited_minor) + abs(found.credited_minor - due.credited_minor),
            )
    if len(counted) != len(database.days):
        builder.add_violation(f"there are {len(database.days)} rows for {len(counted)} days of accounts")
    return builder.result()


def _added_up(account_id: str, day: str, entries: list[EntryRow]) -> DayRow:
    debits = [-entry.amount_minor for entry in entries if entry.amount_minor < 0]
    credits_ = [entry.amount_minor for entry in entries if entry.amount_minor > 0]
    closing = entries[-1].balance_after_minor if entries else 0
    return DayRow(account_id, day, len(debits), sum(debits), len(credits_), sum(credits_), closing)


def _words(day: DayRow) -> str:
    moved = f"{day.debits} debits of {day.debited_minor}, {day.credits} credits of {day.credited_minor}"
    return f"{moved}, {day.closing_balance_minor} at the end"
