"""Every balance that was shown was the account's, at a moment at which it can have been seen.

And every page of history shows the account's entries as they are: newest first, none left out, none doubled, with the
balance of the same moment.
"""

from itertools import pairwise

from simulation.answers import Edge, Page
from simulation.checks.shown import balances_shown, is_first_page
from simulation.checks.tally import NO_FACTS, Tally, reais
from simulation.evidence import Evidence
from simulation.facts import EntryRow, Facts
from simulation.history import Attempt
from simulation.result import CheckResult

NAME = "reads_are_true"
TITLE = "Every balance and history shown was the account's at that moment"


def check(evidence: Evidence) -> CheckResult:
    """Look up every balance and every line of history in the account's entries."""
    tally = Tally(NAME, TITLE)
    facts, timelines = evidence.facts, evidence.timelines
    if facts is None or timelines is None:
        tally.left_open(NO_FACTS)
        return tally.result()
    places = {
        account_id: {entry.transaction_id: entry for entry in entries} for account_id, entries in facts.entries.items()
    }
    for attempt in evidence.attempts:
        for account_id, balance_minor in balances_shown(attempt):
            tally.look()
            timeline = timelines.accounts.get(account_id)
            if timeline is None:
                tally.broke(f"{attempt}: shows account {account_id}, and there is none")
                continue
            newest = timeline.newest_possible(attempt.ended_ns)
            if not timeline.versions_with(balance_minor, 0, newest):
                later = " yet" if balance_minor in timeline.balances else ""
                tally.broke(f"{attempt}: shows {reais(balance_minor)}, which account {account_id} never had{later}")
        if isinstance(attempt.answer, Page) and attempt.answer.account_id is not None:
            _page(attempt, attempt.answer, places.get(attempt.answer.account_id, {}), tally)
    _nobody_elses(evidence, facts, tally)
    return tally.result()


def _page(attempt: Attempt, page: Page, entries: dict[str, EntryRow], tally: Tally) -> None:
    versions: list[int] = []
    for edge in page.edges:
        tally.look()
        entry = entries.get(edge.transaction_id)
        if entry is None or edge != Edge(entry.transaction_id, entry.amount_minor, entry.balance_after_minor):
            tally.broke(f"{attempt}: shows a line that the account's entries do not have: {edge}")
            return
        versions.append(entry.version)
    if any(newer != older + 1 for newer, older in pairwise(versions)):
        tally.broke(f"{attempt}: the lines are not the account's entries in order, but its versions {versions}")
    elif is_first_page(attempt) and page.edges and page.edges[0].balance_after_minor != page.balance_minor:
        text = f"{attempt}: the balance is {reais(page.balance_minor or 0)} and the newest line says"
        tally.broke(f"{text} {reais(page.edges[0].balance_after_minor)}: not of one instant")


def _nobody_elses(evidence: Evidence, facts: Facts, tally: Tally) -> None:
    """Nobody is shown somebody else's account."""
    for attempt in evidence.attempts:
        mine = evidence.user_ids.get(attempt.operation.person)
        for account_id, _ in balances_shown(attempt):
            account = facts.accounts.get(account_id)
            if account is not None and mine is not None and account.user_id != mine:
                tally.broke(f"{attempt}: shows account {account_id}, which is somebody else's")
