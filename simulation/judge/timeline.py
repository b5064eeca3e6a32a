"""The balances of an account, and those that were possibly visible at a time of the clients' clock.

The entries of an account are a sequence of versions. For clients, a version certainly exists after the answer about its
transaction, and certainly does not exist before the request for it. Between these two times nothing is certain, and
nothing is judged.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate

from simulation.judge.database_state import DatabaseState, EntryRow
from simulation.judge.effects import RequestKey
from simulation.model.answers import receipts_in
from simulation.model.attempts import Attempt
from simulation.model.operations import MONEY_KINDS


@dataclass(frozen=True, slots=True)
class TransactionTimes:
    """The first request for a transaction, the first response that confirmed it (None: never), and its person."""

    requested_ns: int
    acknowledged_ns: int | None
    person: int


@dataclass(slots=True)
class _Acknowledged:
    """Times of acknowledgements, ascending, each with the highest version that was acknowledged by then."""

    at_ns: list[int] = field(default_factory=list)
    version: list[int] = field(default_factory=list)

    def before(self, moment_ns: int) -> int:
        place = bisect_right(self.at_ns, moment_ns)
        return self.version[place - 1] if place else 0


class AccountTimeline:
    """The versions of one account. Version 0 is the empty account."""

    def __init__(self, entries: Sequence[EntryRow], moments: Mapping[str, TransactionTimes]) -> None:
        self.balances = [0, *(entry.balance_after_minor for entry in entries)]
        self.transactions = [entry.transaction_id for entry in entries]
        self._requested_by_version = list(
            accumulate((moments[t].requested_ns if t in moments else 0 for t in self.transactions), max)
        )
        self._acknowledged = _accumulated(enumerate_acknowledged(self.transactions, moments, person=None))
        people = {moments[t].person for t in self.transactions if t in moments}
        self._acknowledged_by = {
            person: _accumulated(enumerate_acknowledged(self.transactions, moments, person=person)) for person in people
        }

    def newest_acknowledged(self, moment_ns: int, *, person: int | None = None) -> int:
        """Return the newest version that was acknowledged by this time, to anybody or to one person."""
        acknowledged = self._acknowledged if person is None else self._acknowledged_by.get(person, _Acknowledged())
        return acknowledged.before(moment_ns)

    def newest_possible(self, moment_ns: int) -> int:
        """Return the newest version that may exist at this time: all transactions up to it were requested before."""
        return bisect_left(self._requested_by_version, moment_ns)

    def versions_with(self, balance_minor: int, oldest: int, newest: int) -> list[int]:
        """Return the versions from `oldest` to `newest` with this balance."""
        return [v for v in range(oldest, min(newest, len(self.balances) - 1) + 1) if self.balances[v] == balance_minor]


def enumerate_acknowledged(
    transactions: Sequence[str], moments: Mapping[str, TransactionTimes], *, person: int | None
) -> list[tuple[int, int]]:
    """Return (time of the acknowledgement, version) of the transactions that were acknowledged, ascending."""
    found: list[tuple[int, int]] = []
    for version, transaction in enumerate(transactions, start=1):
        moment = moments.get(transaction)
        if moment is not None and moment.acknowledged_ns is not None and person in {None, moment.person}:
            found.append((moment.acknowledged_ns, version))
    return sorted(found)


def _accumulated(pairs: Sequence[tuple[int, int]]) -> _Acknowledged:
    return _Acknowledged([at_ns for at_ns, _ in pairs], list(accumulate((version for _, version in pairs), max)))


class Timelines:
    """The timelines of every account, and the order of all transactions in the log."""

    def __init__(
        self, database: DatabaseState, by_key: Mapping[RequestKey, Sequence[Attempt]], user_ids: Mapping[int, str]
    ) -> None:
        self.moments = transaction_times(database, by_key, user_ids)
        self.accounts = {id_: AccountTimeline(database.entries.get(id_, ()), self.moments) for id_ in database.accounts}
        self.positions: dict[str, int] = {}
        for event in database.events:
            if event.event_type == "TransactionInitiatedEvent":
                self.positions.setdefault(event.aggregate_id, event.position)

    def spans(self, account_id: str, versions: Sequence[int]) -> list[tuple[float, float]] | None:
        """Return the ranges of the log in which the account was at one of `versions`, ascending.

        None if a transaction of the account has no position in the log.
        """
        timeline = self.accounts[account_id]
        places = [self.positions.get(transaction) for transaction in timeline.transactions]
        found: list[tuple[float, float]] = []
        for version in versions:
            begin = 0 if version == 0 else places[version - 1]
            end = float("inf") if version == len(places) else places[version]
            if begin is None or end is None:
                return None
            found.append((begin, end))
        return found


def transaction_times(
    database: DatabaseState, by_key: Mapping[RequestKey, Sequence[Attempt]], user_ids: Mapping[int, str]
) -> dict[str, TransactionTimes]:
    """Return the times of request and acknowledgement of each transaction of the people in the plan."""
    acknowledged: dict[str, int] = {}
    key_of: dict[str, RequestKey] = {}
    requested: dict[RequestKey, int] = defaultdict(int)
    for request_key, sent in by_key.items():
        attempts = [attempt for attempt in sent if attempt.operation.kind in MONEY_KINDS]
        if not attempts:
            continue
        requested[request_key] = min(attempt.invoked_ns for attempt in attempts)
        row = database.keys.get((user_ids.get(request_key[0], ""), request_key[1]))
        key_of.update(dict.fromkeys(row.transaction_ids if row is not None else (), request_key))
        for attempt in attempts:
            for move in receipts_in(attempt.answer):
                key_of.setdefault(move.transaction_id, request_key)
                acknowledged[move.transaction_id] = min(
                    acknowledged.get(move.transaction_id, attempt.ended_ns), attempt.ended_ns
                )
    moments = {
        transaction: TransactionTimes(requested[request_key], acknowledged.get(transaction), request_key[0])
        for transaction, request_key in key_of.items()
    }
    # A fee has the times of its transaction, because it is requested and acknowledged together with it.
    fees = [row for row in database.transactions.values() if row.kind == "FEE" and row.related_id in moments]
    return moments | {fee.id: moments[fee.related_id] for fee in fees if fee.related_id is not None}
