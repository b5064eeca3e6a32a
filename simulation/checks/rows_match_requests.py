"""Every row agrees with its request, in each column that does not follow from amounts.

This includes profiles, owners and limits of accounts, descriptions, initiators, times between the request and its
answer, and ends of holds. Each request has its events, with its correlation id, address and user agent, and each
refusal has its event.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from simulation.checks.result_builder import CheckResultBuilder
from simulation.checks.whole_rows import check_rows, have_rows
from simulation.judge.database_state import Row
from simulation.judge.evidence import Evidence
from simulation.judge.fields.books import Books, instant, us_of
from simulation.judge.idempotency_rules import REUSED
from simulation.judge.personal_texts import PROGRAM, SENDER
from simulation.model.attempts import Attempt
from simulation.model.operations import KEYED_KINDS, STATE_KINDS, Kind
from simulation.model.result import CheckResult

NAME = "rows_match_requests"
TITLE = "Every row agrees with its request: content, user and time"

SLACK_US = 50_000
"""The permitted drift between two clocks of one machine, whose difference is measured at the end of the run."""

HOLD_LIFE_DAYS = 7
"""The life of a hold that was requested without an end."""

RECORDED = frozenset(
    {
        "INSUFFICIENT_FUNDS", "LIMIT_EXCEEDED", "SAME_ACCOUNT", "ACCOUNT_NOT_FOUND", "ACCOUNT_FROZEN", "ACCOUNT_CLOSED",
        "ACCOUNT_NOT_EMPTY", "HOLD_NOT_FOUND", "HOLD_ENDED", "CAPTURE_EXCEEDS_HOLD", "TRANSACTION_NOT_FOUND",
        "NOT_REVERSIBLE", "REVERSAL_EXCEEDS_ORIGINAL", "INVALID_AMOUNT", "FORBIDDEN", REUSED,
    }
)  # fmt: skip
"""The refusals of which the log must contain an event."""


applies = have_rows


def check(evidence: Evidence) -> CheckResult:
    """Compare the rows in the database with their requests."""
    return check_rows(NAME, TITLE, evidence, _compare_rows)


def _compare_rows(books: Books, builder: CheckResultBuilder) -> None:
    for compare in (_people, _accounts, _transactions, _holds, _sessions, _events, _audits):
        for sentence in compare(books, builder):
            builder.add_violation(sentence)


def _differences(what: str, row: Row, due: Mapping[str, object]) -> Iterator[str]:
    for name, right in due.items():
        if row[name] != right:
            yield f"{what}: {name} is {row[name]!r}, not {right!r}"


def _people(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    evidence = books.evidence
    for person in evidence.plan.people[1:]:
        row = books.row("users", evidence.user_ids.get(person.index))
        if row is None:
            continue
        builder.examine()
        due = {"email": person.email, "full_name": " ".join(person.full_name.split()), "cpf": person.cpf}
        yield from _differences(f"person {person.index}", row, {**due, "role": "CUSTOMER"})
        if not str(row["password_hash"]).startswith("$argon2id$") or person.password in str(row["password_hash"]):
            yield f"person {person.index}: the password is not stored as an argon2id hash"


def _accounts(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    evidence = books.evidence
    for index, opened in evidence.opened.items():
        row = books.row("accounts", opened.account_id)
        if row is None:
            continue
        builder.examine()
        owner = evidence.user_ids.get(evidence.plan.accounts[index].person)
        due: dict[str, object] = {"user_id": owner, "kind": "CUSTOMER", "number": opened.number, "currency": "BRL"}
        due["version"] = len(books.database.entries.get(opened.account_id, ()))
        yield from _differences(f"account {opened.number}", row, due)
        limits = (row["transfer_limit_minor"], row["daily_limit_minor"])
        if limits not in evidence.possible_states.own_limits(opened.account_id):
            yield f"account {opened.number}: its limits are {limits}, which are not the last ones that were set"


def _requests_with(books: Books, request_key: tuple[int, str]) -> Sequence[Attempt]:
    return books.evidence.by_key.get(request_key, ())


def _is_within(books: Books, attempts: Sequence[Attempt], moment: object) -> bool:
    """Return whether a time is between the first request and the first answer, if there was one."""
    begin = min(books.moment_us(a.invoked_ns) for a in attempts) - SLACK_US
    answered_us = [books.moment_us(a.ended_ns) for a in attempts if a.outcome == "ok"]
    return begin <= us_of(moment) <= min(answered_us, default=float("inf")) + SLACK_US


def _transactions(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    evidence = books.evidence
    for row in books.rows["transactions"].values():
        is_fee = row["kind"] == "FEE"
        effect = evidence.oracle.effects.get(row["related_id"] if is_fee else row["id"])
        if effect is None:
            continue  # `balances_match_oracle` reports a transaction without a request
        builder.examine()
        what = f"transaction {row['id']} of person {effect.request_key[0]}"
        due: dict[str, object] = {"currency": "BRL", "initiated_by": evidence.user_ids.get(effect.request_key[0])}
        due["description"] = None if is_fee else effect.description
        due["hold_id"] = effect.related_id if row["kind"] == "CAPTURE" else None
        yield from _differences(what, row, due)
        if not _is_within(books, _requests_with(books, effect.request_key), row["created_at"]):
            yield f"{what}: it was created at {row['created_at']}, not between its request and its answer"
        for side in ("debit", "credit"):
            entry = books.entries.get((row[f"{side}_account_id"], row["id"]))
            if entry is None:
                continue
            if entry.version != row[f"{side}_version"] or entry.at_us != us_of(row["created_at"]):
                yield f"{what}: its entry in the {side}ed account has another version or time"


def _holds(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    evidence = books.evidence
    for row in books.rows["holds"].values():
        expected_hold = evidence.oracle.expected_holds.get(row["id"])
        if expected_hold is None:
            continue
        builder.examine()
        what = f"hold {row['id']} of person {expected_hold.request_key[0]}"
        due: dict[str, object] = {
            "currency": "BRL",
            "initiated_by": evidence.user_ids.get(expected_hold.request_key[0]),
        }
        due["description"] = expected_hold.description
        yield from _differences(what, row, due)
        created_us = us_of(row["created_at"])
        ends_us = created_us + HOLD_LIFE_DAYS * 86_400_000_000
        if expected_hold.expires_at is not None:
            ends_us = us_of(expected_hold.expires_at)
        if us_of(row["expires_at"]) != ends_us:
            requested = expected_hold.expires_at or "the usual"
            yield f"{what}: it expires at {row['expires_at']}, but {requested} was requested"
        if not _is_within(books, _requests_with(books, expected_hold.request_key), row["created_at"]):
            yield f"{what}: it was created at {row['created_at']}, not between its request and its answer"
        if expected_hold.ended_by is not None and row["ended_at"] is not None:
            if not _is_within(books, _requests_with(books, expected_hold.ended_by), row["ended_at"]):
                yield f"{what}: it ended at {row['ended_at']}, not between that request and its answer"
            if us_of(row["ended_at"]) >= us_of(row["expires_at"]):
                yield f"{what}: it was ended at {row['ended_at']}, after its expiry at {row['expires_at']}"


def _sessions(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    """Require that each session belongs to a person of the plan and has the client's address and user agent.

    At least as many sessions must be closed as were logged out.
    """
    people = {id_: books.evidence.plan.people[index] for index, id_ in books.evidence.user_ids.items()}
    closed = sum(row["closed_at"] is not None for row in books.rows["sessions"].values())
    logouts = [a for a in books.evidence.attempts if a.operation.kind is Kind.LOGOUT and a.outcome == "ok"]
    for row in books.rows["sessions"].values():
        builder.examine()
        person = people.get(row["user_id"])
        if person is None:
            yield f"session {row['id']} has no user"
        else:
            due = {"ip_address": person.address or SENDER, "user_agent": PROGRAM}
            yield from _differences(f"session {row['id']}", row, due)
        if instant(row["expires_at"]) <= instant(row["created_at"]):
            yield f"session {row['id']} ends before it begins"
    least = least_closed_sessions(logouts)
    if closed < least:
        yield f"{least} sessions were logged out, but only {closed} are closed"


def least_closed_sessions(logouts: Sequence[Attempt]) -> int:
    """Return how many sessions were certainly logged out. Two concurrent logouts may close the same session."""
    until_ns: dict[int, int] = {}
    least = 0
    for attempt in sorted(logouts, key=lambda attempt: attempt.invoked_ns):
        person = attempt.operation.person
        least += attempt.invoked_ns >= until_ns.get(person, 0)
        until_ns[person] = max(until_ns.get(person, 0), attempt.ended_ns)
    return least


def _events(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    """Compare the events of each request, found by its correlation id, with the request and its answer."""
    data = {event.position: event for event in books.database.events}
    by_request: dict[str, list[Row]] = defaultdict(list)
    for row in books.rows["event_store"].values():
        by_request[str(row["metadata"].get("correlation_id"))].append(row)
    logged_out: set[int] = set()
    for attempt in books.evidence.attempts:
        if attempt.operation.kind is Kind.LOGOUT:
            logged_out.add(attempt.operation.person)
        if attempt.correlation_id is None or attempt.outcome not in {"ok", "refused"}:
            continue
        builder.examine()
        rows = by_request.get(attempt.correlation_id, [])
        # Between logout and login, a request has no token; a refusal of its form, before authentication, has no actor.
        is_known = attempt.code != "BAD_INPUT" or attempt.operation.person not in logged_out
        for row in rows:
            yield from _event(books, attempt, row, is_known=is_known)
        kind = attempt.operation.kind
        is_change = attempt.outcome == "ok" and (kind in KEYED_KINDS or kind in {Kind.REGISTER, Kind.LOGOUT})
        if is_change and not attempt.replayed and not rows:
            yield f"{attempt}: it was executed, but no event has its correlation id"
        if attempt.outcome == "refused" and attempt.code in RECORDED and not attempt.replayed:
            answered_us = {data[row["position"]].data.get("code") for row in rows}
            if attempt.code not in answered_us:
                yield f"{attempt}: it was refused with {attempt.code}, but no event says so"


def _event(books: Books, attempt: Attempt, row: Row, *, is_known: bool) -> Iterator[str]:
    what = f"{attempt}: its {row['event_type']}"
    metadata, mine = row["metadata"], books.evidence.user_ids.get(attempt.operation.person)
    address = books.evidence.plan.people[attempt.operation.person].address or SENDER
    if (metadata.get("ip_address"), metadata.get("user_agent")) != (address, PROGRAM):
        yield f"{what} comes from {metadata.get('ip_address')} and {metadata.get('user_agent')}"
    if metadata.get("actor_id") not in {None, mine}:
        yield f"{what} is said to be the doing of {metadata.get('actor_id')}, not of {mine}"
    if row["user_id"] not in {None, mine}:
        yield f"{what} is said to be of user {row['user_id']}, not of {mine}"
    is_keyed = attempt.operation.kind in KEYED_KINDS | STATE_KINDS and attempt.code != "UNAUTHENTICATED"
    if is_keyed and is_known and row["user_id"] is None:
        yield f"{what} has no actor"
    at_us = us_of(row["created_at"])
    begin, end = books.moment_us(attempt.invoked_ns), books.moment_us(attempt.ended_ns)
    if not begin - SLACK_US <= at_us <= end + SLACK_US:
        yield f"{what} is of {row['created_at']}, not between the request and the answer"


def _audits(books: Books, builder: CheckResultBuilder) -> Iterator[str]:
    """Require that each audit row has the user, address, user agent and time of its event."""
    events = {row["position"]: row for row in books.rows["event_store"].values()}
    for row in books.rows["audit_logs"].values():
        event = events.get(row["event_position"])
        if event is None:
            continue  # `audit_complete` reports it
        builder.examine()
        metadata = event["metadata"]
        due = {"user_id": event["user_id"], "created_at": event["created_at"]}
        due |= {name: metadata.get(name) for name in ("ip_address", "user_agent")}
        yield from _differences(f"audit row {row['number']} of {event['event_type']}", row, due)
        if ACTIONS.get(event["event_type"], row["action"]) != row["action"]:
            yield f"audit row {row['number']} calls {event['event_type']} {row['action']}"


ACTIONS = {
    "UserRegisteredEvent": "CREATE", "AccountCreatedEvent": "CREATE", "TransactionInitiatedEvent": "CREATE",
    "TransactionCompletedEvent": "COMPLETE", "BalanceUpdatedEvent": "UPDATE", "AccountFrozenEvent": "UPDATE",
    "AccountUnfrozenEvent": "UPDATE", "AccountClosedEvent": "UPDATE", "AccountLimitsChangedEvent": "UPDATE",
    "HoldAuthorizedEvent": "CREATE", "HoldCapturedEvent": "UPDATE", "HoldReleasedEvent": "UPDATE",
    "HoldExpiredEvent": "UPDATE", "ActionRefusedEvent": "REFUSE", "UserLoggedInEvent": "LOGIN",
    "LoginFailedEvent": "LOGIN_FAILED", "LoginLockedEvent": "LOCK_LOGIN", "LoginUnlockedEvent": "UNLOCK_LOGIN",
    "UserLoggedOutEvent": "LOGOUT", "SessionRefreshedEvent": "REFRESH",
    "SessionRefreshRepeatedEvent": "REFRESH", "RefreshTokenReusedEvent": "CLOSE_SESSION",
    "SessionRevokedEvent": "CLOSE_SESSION", "StaffReadEvent": "READ", "UserProfileChangedEvent": "UPDATE",
    "SuspiciousActivityDetectedEvent": "DETECT",
    "SecondFactorChangedEvent": "UPDATE", "SecondFactorVerifiedEvent": "VERIFY",
    "StepUpLimitChangedEvent": "UPDATE",
}  # fmt: skip
"""The action in the audit trail of each event type."""
