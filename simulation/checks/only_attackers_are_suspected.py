"""Attackers raise the alarms that are due, and people who behave raise none.

An event of suspicious activity is about the network of an attacker, or about an attacker. Ten logins with addresses of
different accounts from one network within a minute must have raised one, with the address.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from simulation.attacks.stuff_credentials import DETECTED, GUESS, RULE
from simulation.checks.result_builder import CheckResultBuilder
from simulation.checks.whole_rows import check_rows, have_rows
from simulation.judge.database_state import EventRow
from simulation.judge.evidence import Evidence
from simulation.judge.fields.books import Books
from simulation.model.attacks import AttackRequest
from simulation.model.people import Role
from simulation.model.result import CheckResult

NAME = "only_attackers_are_suspected"
TITLE = "Attackers raise alarms, and people who behave raise none"

ACCOUNTS = 10
WINDOW_NS = 60_000_000_000
"""The number of accounts, and the time, of the bank's rule of credential stuffing."""


def applies(evidence: Evidence) -> bool:
    """Return whether there are whole rows to compare with."""
    return have_rows(evidence)


def check(evidence: Evidence) -> CheckResult:
    """Compare the events of suspicious activity with the attackers and their logins."""
    return check_rows(NAME, TITLE, evidence, _examine)


def _examine(books: Books, builder: CheckResultBuilder) -> None:
    builder.examine(len(books.evidence.plan.people))
    audits = {row["event_position"]: row for row in books.rows["audit_logs"].values()}
    found = [event for event in books.database.events if event.event_type == DETECTED]
    addresses = {event.position: str(audits.get(event.position, {}).get("ip_address")) for event in found}
    for sentence in _false_alarms(books.evidence, found, addresses):
        builder.add_violation(sentence)
    alarmed = {addresses[event.position] for event in found if event.data["rule"] == RULE}
    for address, requests in _guesses(books.evidence).items():
        accounts = most_accounts(requests)
        if accounts >= ACCOUNTS:
            builder.examine()
            if address not in alarmed:
                builder.add_violation(f"{requests[-1]}: {accounts} accounts were tried in a minute, without an alarm")


def _false_alarms(evidence: Evidence, found: Sequence[EventRow], addresses: Mapping[int, str]) -> Iterator[str]:
    """Name each event that is not about an attacker."""
    own = {address for attack in evidence.plan.attacks for address in attack.addresses}
    attackers = {evidence.user_ids.get(person.index) for person in evidence.plan.people_with(Role.ATTACKER)}
    for event in found:
        person = event.data["person_id"]
        if person not in attackers if person is not None else addresses[event.position] not in own:
            about = f"person {person}" if person is not None else f"the address {addresses[event.position]}"
            yield f"the event at position {event.position} says {event.data['rule']} of {about}, no attacker"


def _guesses(evidence: Evidence) -> Mapping[str, Sequence[AttackRequest]]:
    """Return the refused logins of each address, in the order of sending."""
    found: dict[str, list[AttackRequest]] = defaultdict(list)
    for request in sorted(evidence.attack_requests, key=lambda one: one.invoked_ns):
        if request.step == GUESS and request.is_answered and "INVALID_CREDENTIALS" in request.codes:
            found[request.address].append(request)
    return found


def most_accounts(requests: Sequence[AttackRequest]) -> int:
    """Return the greatest number of accounts that were certainly tried within the window, from their first request."""
    most = 0
    for first in requests:
        window = [one for one in requests if one.invoked_ns >= first.invoked_ns]
        within = [one for one in window if one.ended_ns - first.invoked_ns < WINDOW_NS]
        most = max(most, len({_email(one) for one in within}))
    return most


def _email(request: AttackRequest) -> str:
    return str(msgspec.json.decode(request.sent)["variables"]["input"]["email"])
