"""Every refusal of an attacker and every look of staff at the data of others is on record, with the client's address.

A refused mutation has one event for each refused field, a failed login included, and so has a read of somebody else's
account. Each event has its audit row. Of the requests that a rate limit refuses, the first of each address is on
record.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from simulation.attacks.guess_ids import OF_NOBODY, OF_OTHERS
from simulation.checks.result_builder import CheckResultBuilder
from simulation.checks.whole_rows import check_rows
from simulation.judge.database_state import Row
from simulation.judge.evidence import Evidence
from simulation.judge.fields.books import Books
from simulation.model.attacks import AttackRequest
from simulation.model.attempts import Attempt
from simulation.model.operations import Kind
from simulation.model.people import Role
from simulation.model.result import CheckResult

NAME = "attacks_are_recorded"
TITLE = "Every refusal of an attacker and every look of staff is on record"

THROTTLED = "RATE_LIMITED"
FAILED_LOGIN = "LoginFailedEvent"
REUSED_TOKEN = "RefreshTokenReusedEvent"  # noqa: S105 - the type of an event, no token
LOOK = "StaffReadEvent"

MUTATION = re.compile(rb'"query": ?"mutation\b')
"""The beginning of a mutation in a body, which need not be valid JSON."""

NOT_RECORDED = frozenset(
    {
        "DOCUMENT_TOO_COMPLEX",
        "DOCUMENT_TOO_LARGE",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "OPERATION_NOT_FOUND",
        THROTTLED,
    }
)
"""The codes of documents that name no valid operation, and of requests of which only the first is recorded."""

RECORDED_OF_QUERIES = frozenset({"FORBIDDEN"})
"""The codes of refused queries that are recorded. A query with an expired token is harmless and frequent."""

LOOKS = frozenset({Kind.BALANCE, Kind.HISTORY, Kind.STATEMENT, Kind.HOLDS, Kind.DAYS, Kind.LIMITS, Kind.AUDIT})
"""The reads of staff that show data of others."""

Recorded = Mapping[str, Sequence[tuple[str, Row]]]
"""The record of each request, by its correlation id: what its events say, each with its audit row."""


def applies(evidence: Evidence) -> bool:
    """Return whether attacks were planned."""
    return bool(evidence.plan.attacks)


def check(evidence: Evidence) -> CheckResult:
    """Compare the refusals and the looks with the events and the audit rows."""
    return check_rows(NAME, TITLE, evidence, _examine)


def _examine(books: Books, builder: CheckResultBuilder) -> None:
    records = _records(books)
    for examine in (_refusals, _first_refusals, _looks):
        for sentence in examine(books, records, builder):
            builder.add_violation(sentence)


def _records(books: Books) -> Recorded:
    """Return for each request the codes of its refusals, and the types of its other events, with their audit rows."""
    events = {event.position: event for event in books.database.events}
    audits = {row["event_position"]: row for row in books.rows["audit_logs"].values()}
    found: dict[str, list[tuple[str, Row]]] = defaultdict(list)
    for row in books.rows["event_store"].values():
        event = events[row["position"]]
        says = str(event.data["code"]) if event.event_type == "ActionRefusedEvent" else event.event_type
        found[str(row["metadata"].get("correlation_id"))].append((says, audits.get(event.position, {})))
    return found


def _due(request: AttackRequest) -> Counter[str]:
    """Return what the events of a refused request must say, and how often."""
    is_mutation = bool(MUTATION.search(request.sent))
    if request.step in {OF_OTHERS, OF_NOBODY} and not request.codes and not is_mutation:
        return Counter({"ACCOUNT_NOT_FOUND": 1})
    codes = [c for c in request.codes if c not in NOT_RECORDED and (is_mutation or c in RECORDED_OF_QUERIES)]
    return Counter(FAILED_LOGIN if code == "INVALID_CREDENTIALS" else code for code in codes)


def _refusals(books: Books, records: Recorded, builder: CheckResultBuilder) -> Iterator[str]:
    """Require that each refusal has its events, each with an audit row that has the address of the attacker."""
    for request in books.evidence.attack_requests:
        due = _due(request) if request.is_answered else Counter[str]()
        if not due:
            continue
        builder.examine()
        rows = records.get(request.correlation_id or "", ())
        said = Counter("INVALID_REFRESH_TOKEN" if says == REUSED_TOKEN else says for says, _ in rows)
        for code in due - said:
            yield f"{request}: refused, but of {due[code]} events with {code} there are {said[code]}"
        for says, row in rows:
            if row.get("ip_address") != request.address:
                yield f"{request}: the audit row of its {says} has the address {row.get('ip_address')}"


def _first_refusals(books: Books, records: Recorded, builder: CheckResultBuilder) -> Iterator[str]:
    """Require a record, with the address, of at least one throttled request of each address."""
    throttled: dict[str, list[AttackRequest]] = defaultdict(list)
    for request in books.evidence.attack_requests:
        if THROTTLED in request.codes:
            throttled[request.address].append(request)
    for requests in throttled.values():
        builder.examine()
        rows = [row for request in requests for row in records.get(request.correlation_id or "", ())]
        if not any(says == THROTTLED and row.get("ip_address") == requests[0].address for says, row in rows):
            yield f"{requests[0]}: throttled, but no event says so, nor for {len(requests) - 1} more of this address"


def _looks(books: Books, records: Recorded, builder: CheckResultBuilder) -> Iterator[str]:
    """Require a record of each look of staff at the data of others."""
    staff = {person.index for person in books.evidence.plan.people_with(Role.TELLER)}

    def is_look(attempt: Attempt) -> bool:
        return attempt.operation.person in staff and attempt.operation.kind in LOOKS and attempt.outcome == "ok"

    for attempt in filter(is_look, books.evidence.attempts):
        builder.examine()
        said = {says for says, row in records.get(attempt.correlation_id or "", ()) if row.get("action") == "READ"}
        if LOOK not in said:
            yield f"{attempt}: staff saw data of others, but no {LOOK} says so"
