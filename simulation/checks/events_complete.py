"""Every fact has its event once, in order, and every subscriber has handled it.

A transaction has one Initiated event, one BalanceUpdated event for each entry and one Completed event. A user has one
UserRegistered, and an account one AccountCreated. A hold has one HoldAuthorized and one event of its end. The states
of an account follow each other. Positions are dense, and the versions of an account have no gaps.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.database_state import DatabaseState, EventRow
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "events_complete"
TITLE = "Every fact has its event, in order, and every subscriber has handled it"

INITIATED = "TransactionInitiatedEvent"
COMPLETED = "TransactionCompletedEvent"
UPDATED = "BalanceUpdatedEvent"
REGISTERED = "UserRegisteredEvent"
CREATED = "AccountCreatedEvent"
HOLDS = {
    "HoldAuthorizedEvent": "AUTHORIZED",
    "HoldCapturedEvent": "CAPTURED",
    "HoldReleasedEvent": "RELEASED",
    "HoldExpiredEvent": "EXPIRED",
}
STATES = {
    "AccountFrozenEvent": ("ACTIVE", "FROZEN"),
    "AccountUnfrozenEvent": ("FROZEN", "ACTIVE"),
    "AccountClosedEvent": ("ACTIVE", "CLOSED"),
}


def check(evidence: Evidence) -> CheckResult:
    """Compare the event store with the books, and the positions of the subscribers with the head."""
    builder = CheckResultBuilder(NAME, TITLE)
    database = evidence.database
    if database is None:
        builder.mark_unknown(NO_DATABASE)
        return builder.result()
    _check_positions(database, builder)
    _check_uniqueness(database, builder)
    _check_transactions(database, builder)
    _check_versions(database, builder)
    _check_holds(database, builder)
    _check_states(database, builder)
    _check_delivery(database, builder)
    return builder.result()


def _check_positions(database: DatabaseState, builder: CheckResultBuilder) -> None:
    for place, event in enumerate(database.events, start=1):
        builder.examine()
        if event.position != place:
            builder.add_violation(f"the event after position {place - 1} is at {event.position}, not at {place}")
            return
    if database.head != len(database.events):
        builder.add_violation(f"the head of the log is at {database.head} and there are {len(database.events)} events")


def _check_uniqueness(database: DatabaseState, builder: CheckResultBuilder) -> None:
    """Require one event for every user, every customer's account and every transaction, and no others."""
    found = Counter((event.event_type, event.aggregate_id) for event in database.events)
    due = {(REGISTERED, user.id) for user in database.users}
    due |= {(CREATED, account.id) for account in database.accounts.values() if account.kind == "CUSTOMER"}
    due |= {(kind, transaction) for transaction in database.transactions for kind in (INITIATED, COMPLETED)}
    for kind, id_ in sorted(due):
        builder.examine()
        if found[(kind, id_)] != 1:
            builder.add_violation(f"there are {found[(kind, id_)]} {kind} for {id_}, not 1")
    for kind, id_ in sorted(found.keys() - due):
        if kind in {REGISTERED, CREATED, INITIATED, COMPLETED}:
            builder.add_violation(f"there is a {kind} for {id_}, which does not exist")


def _check_transactions(database: DatabaseState, builder: CheckResultBuilder) -> None:
    """Require Initiated first, Completed last, and between them one update for each entry."""
    positions: dict[str, dict[str, int]] = defaultdict(dict)
    updates: dict[str, list[EventRow]] = defaultdict(list)
    for event in database.events:
        if event.event_type in {INITIATED, COMPLETED}:
            positions[event.aggregate_id][event.event_type] = event.position
        elif event.event_type == UPDATED:
            updates[str(event.data.get("transaction_id"))].append(event)
    entries = Counter(entry.transaction_id for rows in database.entries.values() for entry in rows)
    for transaction in database.transactions:
        builder.examine()
        mine, place = updates[transaction], positions[transaction]
        if len(mine) != entries[transaction]:
            text = f"transaction {transaction} has {entries[transaction]} entries"
            builder.add_violation(f"{text} and {len(mine)} {UPDATED}")
        begin, end = place.get(INITIATED), place.get(COMPLETED)
        if begin is not None and end is not None and any(not begin < event.position < end for event in mine):
            builder.add_violation(f"the events of transaction {transaction} are not in order")
    for transaction in sorted(updates.keys() - database.transactions.keys()):
        builder.add_violation(f"there is a {UPDATED} of transaction {transaction}, which does not exist")


def _check_versions(database: DatabaseState, builder: CheckResultBuilder) -> None:
    """Require that the updates of each account are its entries: versions 1, 2, 3 … with the same balances."""
    updates: dict[str, list[Mapping[str, object]]] = defaultdict(list)
    for event in database.events:
        if event.event_type == UPDATED:
            updates[event.aggregate_id].append(event.data)
    for account_id, rows in database.entries.items():
        in_events = [
            (data.get("version"), data.get("balance_minor"), data.get("change_minor")) for data in updates[account_id]
        ]
        due = [(entry.version, entry.balance_after_minor, entry.amount_minor) for entry in rows]
        builder.examine(len(due))
        if in_events != due:
            pairs = zip([*in_events, None], [*due, None], strict=False)
            place = next(number for number, (a, b) in enumerate(pairs, start=1) if a != b or a is None)
            builder.add_violation(f"account {account_id}: the {place}. {UPDATED} is not the account's {place}. entry")


def _check_holds(database: DatabaseState, builder: CheckResultBuilder) -> None:
    """Require for each hold one authorization, and one event of its end if it has ended, as in the books."""
    in_events: dict[str, list[str]] = defaultdict(list)
    for event in database.events:
        if event.event_type in HOLDS:
            in_events[str(event.data.get("hold_id"))].append(HOLDS[event.event_type])
    for hold in database.holds.values():
        builder.examine()
        due = ["AUTHORIZED"] if hold.status == "AUTHORIZED" else ["AUTHORIZED", hold.status]
        if in_events[hold.id] != due:
            builder.add_violation(
                f"hold {hold.id} is {hold.status}, and its events say {' and then '.join(in_events[hold.id])}"
            )
    for hold_id in sorted(in_events.keys() - database.holds.keys()):
        builder.add_violation(f"there are events of hold {hold_id}, which does not exist")


def _check_states(database: DatabaseState, builder: CheckResultBuilder) -> None:
    """Require that the events of each account form valid transitions, and end at the state in the books."""
    states: dict[str, str] = {}
    for event in database.events:
        if event.event_type in STATES:
            builder.examine()
            before, after = STATES[event.event_type]
            state = states.get(event.aggregate_id, "ACTIVE")
            if state != before:
                text = f"{event.event_type} at position {event.position} is about an account that was {state}"
                builder.add_violation(f"{text}, not {before}")
            states[event.aggregate_id] = after
    for account in database.accounts.values():
        state = states.get(account.id, "ACTIVE")
        if account.status != state:
            builder.add_violation(f"account {account.number} is {account.status}, and its events say {state}")


def _check_delivery(database: DatabaseState, builder: CheckResultBuilder) -> None:
    for subscriber, position in database.positions.items():
        builder.examine()
        if position != database.head:
            builder.add_violation(
                f"subscriber {subscriber} has position {position} of {database.head}, long after the last event"
            )
    if not database.positions:
        builder.mark_unknown("there is no subscriber")
    for letter in database.dead_letters:
        builder.add_violation(f"a dead letter: {letter}")
