"""Possible states of accounts, holds and transactions between a request and its response.

Concurrent people's requests are decided in an order that nobody outside knows. So a refusal counts as right where its
reason can have held at some moment of that stretch, and a success as wrong only where a reason against it held all
along.
"""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from itertools import accumulate

from simulation.client.forms import minor
from simulation.client.orders import DAY_OF
from simulation.judge.database_state import DatabaseState
from simulation.judge.effects import Caller, Effect, ExpectedHold, Oracle
from simulation.judge.timeline import Timelines
from simulation.model.answers import Held, moves_in
from simulation.model.attempts import Attempt, Sent
from simulation.model.operations import STATE_KINDS, Kind

BANKS_LIMITS = (100_000_000, 500_000_000)
"""What may leave an account that has no limits of its own, at once and in a day: the bank's own, in minor units."""

BRASILIA = timedelta(hours=-3)
"""A day begins at midnight there."""

STATUS = {Kind.FREEZE: "FROZEN", Kind.UNFREEZE: "ACTIVE", Kind.CLOSE: "CLOSED"}

COUNTED = frozenset({"TRANSFER", "WITHDRAWAL"})
"""What counts against the limit of a day; holds do as well."""

NEVER = float("inf")

EXPIRY_SHOWN_NS = 1_000_000_000
"""Nobody is told that a hold has expired. It is committed before anybody gets the answer to what was decided later; so
long after that answer, and as long as the slowest request of the run took, the cache may still show the hold.
"""


@dataclass(frozen=True, slots=True)
class Window:
    """From a key's first request to an answer: the decision fell in between."""

    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class _Change:
    """Something that staff or an owner changed; where nobody was told, it may have happened at any time after."""

    value: object
    begin_ns: int
    end_ns: float


class PossibleStates:
    """Answers what can have been true, from what people sent and were told."""

    def __init__(
        self,
        attempts: Sequence[Attempt],
        by_key: Mapping[Caller, Sequence[Attempt]],
        *,
        oracle: Oracle,
        database: DatabaseState | None,
        timelines: Timelines | None,
        epoch_ns: int,
    ) -> None:
        self._attempts = attempts
        self._by_key = by_key
        self._oracle = oracle
        self._database = database
        self._timelines = timelines
        self._epoch_ns = epoch_ns

    def window(self, attempt: Attempt) -> Window:
        """Return the stretch in which the request was decided."""
        same = self._by_key.get((attempt.operation.person, attempt.operation.key or ""), [attempt])
        return Window(min([attempt.invoked_ns, *(a.invoked_ns for a in same)]), attempt.ended_ns)

    @cached_property
    def _changes(self) -> Mapping[tuple[str, str], Sequence[_Change]]:
        """Every change of an account's status and limits, by ("status" or "limits", account id)."""
        found: dict[tuple[str, str], list[_Change]] = defaultdict(list)
        for attempt in self._attempts:
            kind, account_id = attempt.operation.kind, attempt.sent.account_id
            if kind not in STATE_KINDS or account_id is None or attempt.outcome == "refused":
                continue
            what, value = ("limits", _limits(attempt.sent)) if kind is Kind.LIMIT else ("status", STATUS[kind])
            ended = attempt.ended_ns if attempt.outcome == "ok" else NEVER
            found[(what, account_id)].append(_Change(value, attempt.invoked_ns, ended))
        return found

    def _possible(self, what: str, account_id: str, window: Window, initial: object) -> set[object]:
        """Return the values that can have held at some moment of the window."""
        changes = [_Change(initial, 0, 0), *self._changes.get((what, account_id), ())]
        over = [change for change in changes if change.end_ns <= window.begin_ns]
        return {
            change.value
            for change in changes
            if change.begin_ns < window.end_ns and not any(later.begin_ns > change.end_ns for later in over)
        }

    def statuses(self, account_id: str, window: Window) -> set[object]:
        """Return the states that the account can have been in."""
        return self._possible("status", account_id, window, "ACTIVE")

    def limits(self, account_id: str, window: Window) -> set[tuple[int, int]]:
        """Return the limits, per transfer and per day, that can have held."""
        possible = self._possible("limits", account_id, window, BANKS_LIMITS)
        return {value for value in possible if isinstance(value, tuple)}

    def own_limits(self, account_id: str) -> set[tuple[int | None, int | None]]:
        """Return the limits of its own that an account can have in the end; none where nobody has limited it."""
        end = max((attempt.ended_ns for attempt in self._attempts), default=0) + 1
        limits = self.limits(account_id, Window(end, end))
        return {(None, None) if pair == BANKS_LIMITS else pair for pair in limits}

    @cached_property
    def _acknowledged(self) -> Mapping[Caller, float]:
        """The moment of the first response that confirmed a key's request."""
        told: dict[Caller, float] = {}
        for caller, attempts in self._by_key.items():
            moments = [attempt.ended_ns for attempt in attempts if attempt.outcome == "ok"]
            told[caller] = min(moments, default=NEVER)
        return told

    def _asked_ns(self, caller: Caller) -> int:
        return min(attempt.invoked_ns for attempt in self._by_key[caller])

    @cached_property
    def _spending(self) -> Mapping[str, Sequence[tuple[Caller, int]]]:
        """By account, what counts against its day: whose key, and how much."""
        found: dict[str, list[tuple[Caller, int]]] = defaultdict(list)
        oracle = self._oracle
        for effect in oracle.effects.values():
            if effect.kind in COUNTED:
                found[effect.debit_id].append((effect.caller, effect.amount_minor))
        for expected_hold in oracle.expected_holds.values():
            found[expected_hold.account_id].append((expected_hold.caller, expected_hold.amount_minor))
        return found

    def spent_at_most(self, account_id: str, window: Window) -> int:
        """Return what can have been spent before the window's end."""
        spent = self._spending.get(account_id, ())
        return sum(amount for caller, amount in spent if self._asked_ns(caller) < window.end_ns)

    def spent_at_least(self, account_id: str, window: Window) -> int:
        """Return what had been spent for sure before the window's beginning; nothing if a new day may have begun."""
        first_ns = self._attempts[0].invoked_ns
        if self._day(first_ns) != self._day(window.end_ns):
            return 0
        spent = self._spending.get(account_id, ())
        return sum(amount for caller, amount in spent if self._acknowledged[caller] <= window.begin_ns)

    def _day(self, moment_ns: int) -> object:
        return (datetime.fromtimestamp((moment_ns - self._epoch_ns) / 1e9, UTC) + BRASILIA).date()

    @cached_property
    def _expected_holds_on(self) -> Mapping[str, Sequence[ExpectedHold]]:
        found: dict[str, list[ExpectedHold]] = defaultdict(list)
        for expected_hold in self._oracle.expected_holds.values():
            found[expected_hold.account_id].append(expected_hold)
        return found

    def held_at_most(self, account_id: str, window: Window) -> int:
        """Return what can have been held at some moment of the window."""
        return sum(
            expected_hold.amount_minor
            for expected_hold in self._expected_holds_on.get(account_id, ())
            if self._asked_ns(expected_hold.caller) < window.end_ns and self._ended_ns(expected_hold) > window.begin_ns
        )

    def holds_acknowledged_before(self, account_id: str, moment_ns: int) -> set[str]:
        """Return the holds on an account of which somebody had been told before a moment."""
        return {
            p.hold_id for p in self._expected_holds_on.get(account_id, ()) if self._acknowledged[p.caller] <= moment_ns
        }

    def held_at_least(self, account_id: str, window: Window) -> int:
        """Return what was held for sure all through the window."""
        return sum(
            expected_hold.amount_minor
            for expected_hold in self._expected_holds_on.get(account_id, ())
            if self._acknowledged[expected_hold.caller] <= window.begin_ns
            and self._may_have_ended_ns(expected_hold) >= window.end_ns
        )

    def _may_have_ended_ns(self, expected_hold: ExpectedHold) -> float:
        """Return the first moment at which the hold can have ended: of its time, by the books' own clock."""
        asked = [attempt.invoked_ns for attempt in self._ends.get(expected_hold.hold_id, ())]
        database = self._database
        row = None if database is None else database.holds.get(expected_hold.hold_id)
        over = NEVER if row is None else row.expires_at_s * 1e9 + self._epoch_ns
        return min([*asked, over])

    def _ended_ns(self, expected_hold: ExpectedHold) -> float:
        """Return when the hold had ended for sure; of the end of its time only the books tell when that was."""
        if expected_hold.ended_by is not None:
            return self._acknowledged[expected_hold.ended_by]
        position = self._expiry_positions.get(expected_hold.hold_id)
        if position is None:
            return NEVER
        positions, answered_ns = self._answers_after
        place = bisect_right(positions, position)
        if place == len(positions):
            return NEVER
        return answered_ns[place] + max(EXPIRY_SHOWN_NS, self._slowest_ns)

    @cached_property
    def _expiry_positions(self) -> Mapping[str, int]:
        """The position in the log at which each expired hold ended, by the hold's id."""
        events = () if self._database is None else self._database.events
        return {str(e.data.get("hold_id")): e.position for e in events if e.event_type == "HoldExpiredEvent"}

    @cached_property
    def _answers_after(self) -> tuple[Sequence[int], Sequence[float]]:
        """Positions in the log, and when the first answer to what is there or later was given.

        Positions are in the order of the commits, and nobody is answered before the commit.
        """
        events = () if self._database is None else self._database.events
        told: list[tuple[int, float]] = []
        for event in events:
            if event.event_type == "TransactionCompletedEvent":
                done: Effect | ExpectedHold | None = self._oracle.effects.get(str(event.data.get("transaction_id")))
            elif event.event_type == "HoldAuthorizedEvent":
                done = self._oracle.expected_holds.get(str(event.data.get("hold_id")))
            else:
                continue
            if done is not None:
                told.append((event.position, self._acknowledged.get(done.caller, NEVER)))
        answered = list(accumulate([moment for _, moment in reversed(told)], min))[::-1]
        return [position for position, _ in told], answered

    @cached_property
    def _slowest_ns(self) -> float:
        return max((a.ended_ns - a.invoked_ns for a in self._attempts if a.outcome != "unknown"), default=0)

    def balances(self, account_id: str, window: Window) -> Sequence[int]:
        """Return the balances that the account can have had."""
        timelines = self._timelines
        timeline = None if timelines is None else timelines.accounts.get(account_id)
        if timeline is None:
            return ()
        oldest = timeline.newest_acknowledged(window.begin_ns)
        newest = min(timeline.newest_possible(window.end_ns), len(timeline.balances) - 1)
        return timeline.balances[oldest : newest + 1]

    def available_at_least(self, account_id: str, window: Window) -> int:
        """Return the least that can have been there to be spent."""
        return min(self.balances(account_id, window), default=0) - self.held_at_most(account_id, window)

    def original(self, sent: Sent) -> Effect | None:
        """Return the transaction that a reversal is about."""
        return self._oracle.effects.get(sent.about_id or "")

    def reversed_at_most(self, attempt: Attempt, window: Window) -> int:
        """Return what others can have taken back of the same transaction."""
        mine = (attempt.operation.person, attempt.operation.key)
        others = self._oracle.reversals_of(attempt.sent.about_id or "")
        return sum(e.amount_minor for e in others if e.caller != mine and self._asked_ns(e.caller) < window.end_ns)

    def expected_hold(self, sent: Sent) -> ExpectedHold | None:
        """Return the hold that a request is about."""
        return self._oracle.expected_holds.get(sent.about_id or "")

    @cached_property
    def _expiries(self) -> Mapping[str, float]:
        """The moment on the attempts' clock at which each hold's time is over, as the bank has told it."""
        found: dict[str, float] = {}
        for attempt in self._attempts:
            if isinstance(attempt.answer, Held):
                found[attempt.answer.hold.hold_id] = self.moment_ns(attempt.answer.hold.expires_at)
        return found

    def moment_ns(self, instant: str) -> float:
        """Return an instant of the bank's clock (RFC 3339) on the clock of the attempts."""
        return datetime.fromisoformat(instant).timestamp() * 1e9 + self._epoch_ns

    def expires_ns(self, hold_id: str) -> float:
        """Return when a hold's time is over."""
        return self._expiries.get(hold_id, NEVER)

    def others_may_have_ended(self, attempt: Attempt, window: Window) -> bool:
        """Return whether a request with another key can have ended the same hold."""
        mine = (attempt.operation.person, attempt.operation.key)
        return any(
            one.invoked_ns < window.end_ns
            and one.outcome != "refused"
            and (one.operation.person, one.operation.key) != mine
            for one in self._ends.get(attempt.sent.about_id or "", ())
        )

    @cached_property
    def _ends(self) -> Mapping[str, Sequence[Attempt]]:
        found: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in self._attempts:
            if attempt.operation.kind in {Kind.CAPTURE, Kind.RELEASE} and attempt.sent.about_id is not None:
                found[attempt.sent.about_id].append(attempt)
        return found

    def acknowledged_reversals(self) -> Iterator[tuple[Effect, Attempt, int]]:
        """Yield each original that somebody was told of taking back, the last one told, and how much that is in all."""
        amounts: dict[str, dict[str, int]] = defaultdict(dict)
        last: dict[str, Attempt] = {}
        for attempt in self._attempts:
            about_id = attempt.sent.about_id
            if attempt.operation.kind is Kind.REVERSE and about_id is not None:
                for move in moves_in(attempt.answer):
                    amounts[about_id][move.transaction_id] = move.amount_minor
                    last[about_id] = attempt
        for about_id, taken in amounts.items():
            original = self._oracle.effects.get(about_id)
            if original is not None:
                yield original, last[about_id], sum(taken.values())


def _limits(sent: Sent) -> tuple[int, int]:
    if sent.amount is None:
        return BANKS_LIMITS
    once = minor(sent.amount)
    return once, DAY_OF * once
