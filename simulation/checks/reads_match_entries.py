"""Every balance in an answer was a balance of the account, at a possible moment.

Every page of history has the entries of the account: newest first, complete, each once, with the balance of the same
moment. An answer about the past agrees with the entries at the end of the run, so the past never changes.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.database_state import DatabaseState, EntryRow
from simulation.judge.displayed_balances import displayed_balances, is_first_page
from simulation.judge.evidence import Evidence
from simulation.model.answers import AccountHolds, Edge, Page, Statement
from simulation.model.attempts import Attempt
from simulation.model.numbers import reais
from simulation.model.people import Role
from simulation.model.result import CheckResult

NAME = "reads_match_entries"
TITLE = "Every balance and history in an answer was true at that moment"

EPOCH = datetime.fromtimestamp(0, UTC)

HOLDS_SHOWN = 100
"""The largest number of holds in an answer."""


def check(evidence: Evidence) -> CheckResult:
    """Compare every balance and every line of history with the entries of the account."""
    builder = CheckResultBuilder(NAME, TITLE)
    database, timelines = evidence.database, evidence.timelines
    if database is None or timelines is None:
        builder.mark_unknown(NO_DATABASE)
        return builder.result()
    places = {
        account_id: {entry.transaction_id: entry for entry in entries}
        for account_id, entries in database.entries.items()
    }
    for attempt in evidence.attempts:
        for account_id, balance_minor in displayed_balances(attempt):
            builder.examine()
            timeline = timelines.accounts.get(account_id)
            if timeline is None:
                builder.add_violation(f"{attempt}: shows account {account_id}, which does not exist")
                continue
            newest = timeline.newest_possible(attempt.ended_ns)
            if not timeline.versions_with(balance_minor, 0, newest):
                later = " yet" if balance_minor in timeline.balances else ""
                builder.add_violation(
                    f"{attempt}: shows {reais(balance_minor)}, which account {account_id} never had{later}"
                )
        if isinstance(attempt.answer, Page) and attempt.answer.account_id is not None:
            _check_page(attempt, attempt.answer, places.get(attempt.answer.account_id, {}), builder)
        if isinstance(attempt.answer, Statement):
            _check_statement(attempt, attempt.answer, database.entries.get(attempt.answer.account_id, ()), builder)
        if isinstance(attempt.answer, AccountHolds):
            _check_holds(attempt, attempt.answer, builder)
    _check_ownership(evidence, database, builder)
    return builder.result()


def _check_page(attempt: Attempt, page: Page, entries: dict[str, EntryRow], builder: CheckResultBuilder) -> None:
    versions: list[int] = []
    for edge in page.edges:
        builder.examine()
        entry = entries.get(edge.transaction_id)
        if entry is None or edge != Edge(entry.transaction_id, entry.amount_minor, entry.balance_after_minor):
            builder.add_violation(f"{attempt}: shows an entry that the account does not have: {edge}")
            return
        versions.append(entry.version)
    if any(newer != older + 1 for newer, older in pairwise(versions)):
        builder.add_violation(f"{attempt}: the entries are not in order: versions {versions}")
    elif is_first_page(attempt) and page.edges and page.edges[0].balance_after_minor != page.balance_minor:
        text = f"{attempt}: the balance is {reais(page.balance_minor or 0)}, but the newest entry says"
        builder.add_violation(f"{text} {reais(page.edges[0].balance_after_minor)}, so they are from different instants")


def _check_statement(
    attempt: Attempt, seen: Statement, entries: Sequence[EntryRow], builder: CheckResultBuilder
) -> None:
    """Compare an answer about the past with the entries at the end of the run, because the past never changes."""
    builder.examine()
    since, until = (_epoch_us(moment) for moment in (attempt.sent.since, attempt.sent.until))
    opening = [entry for entry in entries if entry.at_us < since]
    closing = [entry for entry in entries if entry.at_us < until]
    at = [entry for entry in entries if entry.at_us <= until]
    for name, shown, due in (
        ("balance at the instant", seen.balance_at_minor, at),
        ("opening balance", seen.opening_minor, opening),
        ("closing balance", seen.closing_minor, closing),
    ):
        right = due[-1].balance_after_minor if due else 0
        if shown != right:
            text = f"{attempt}: the {name} was {reais(shown)}"
            builder.add_violation(f"{text} in the answer, but is {reais(right)} at the end", abs(shown - right))
    lines = [Edge(e.transaction_id, e.amount_minor, e.balance_after_minor) for e in reversed(closing[len(opening) :])]
    if attempt.sent.after is None and list(seen.edges) != (lines if seen.is_whole else lines[: len(seen.edges)]):
        builder.add_violation(
            f"{attempt}: the statement has {len(seen.edges)} entries that are not the {len(lines)} of its period"
        )
    if (
        attempt.sent.after is None
        and seen.is_whole
        and seen.opening_minor + sum(edge.change_minor for edge in seen.edges) != seen.closing_minor
    ):
        builder.add_violation(f"{attempt}: opening balance and changes do not add up to the closing balance")


def _epoch_us(moment: str | None) -> int:
    assert moment is not None, "the request for a statement has both instants"
    return (datetime.fromisoformat(moment) - EPOCH) // timedelta(microseconds=1)


def _check_holds(attempt: Attempt, seen: AccountHolds, builder: CheckResultBuilder) -> None:
    """Require values of one instant: the available balance is the balance minus the sum of the active holds."""
    builder.examine()
    if seen.available_minor != seen.balance_minor - seen.held_minor:
        text = f"{attempt}: of {reais(seen.balance_minor)} with {reais(seen.held_minor)} held"
        builder.add_violation(f"{text}, {reais(seen.available_minor)} are shown as available")
    held_minor = sum(hold.amount_minor for hold in seen.holds if hold.status == "AUTHORIZED")
    if len(seen.holds) < HOLDS_SHOWN and held_minor != seen.held_minor:
        text = f"{attempt}: {reais(seen.held_minor)} are shown as held, but the holds add up to {reais(held_minor)}"
        builder.add_violation(text, abs(held_minor - seen.held_minor))


def _check_ownership(evidence: Evidence, database: DatabaseState, builder: CheckResultBuilder) -> None:
    """Require that only staff get the account of another person in an answer."""
    for attempt in evidence.attempts:
        if evidence.plan.people[attempt.operation.person].role is Role.TELLER:
            continue
        mine = evidence.user_ids.get(attempt.operation.person)
        for account_id, _ in displayed_balances(attempt):
            account = database.accounts.get(account_id)
            if account is not None and mine is not None and account.user_id != mine:
                builder.add_violation(f"{attempt}: shows account {account_id}, which belongs to another person")
