"""Possible states of accounts, holds and transactions between a request and its response.

Clients cannot observe the order in which the bank decides concurrent requests. So a refusal is right if its reason was
possible at some instant between request and response, and a success is wrong only if a reason against it held during
the whole time.
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
"""The bank's limits per transfer and per day, in minor units, for accounts without own limits."""

BRASILIA = timedelta(hours=-3)
"""The offset of the time zone in which the days of the limits begin."""

STATUS = {Kind.FREEZE: "FROZEN", Kind.UNFREEZE: "ACTIVE", Kind.CLOSE: "CLOSED"}

COUNTED = frozenset({"TRANSFER", "WITHDRAWAL"})
"""The kinds of transactions that count against the limit per day; holds count too."""

NEVER = float("inf")

EXPIRY_SHOWN_NS = 1_000_000_000
"""The time for which the cache may still show an expired hold, counted from the first answer to a later decision.

No response reports an expiry, but its commit is before every answer to a later decision. If the slowest request of the
run took longer than this time, its duration is used.
"""


@dataclass(frozen=True, slots=True)
class Window:
    """The period from the first request with a key to an answer, in which the bank decided the request."""

    begin_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True)
class _Change:
    """A change of an account by staff or its owner. Without an answer, it may have happened at any later time."""

    value: object
    begin_ns: int
    end_ns: float


class PossibleStates:
    """The states that were possible, derived from the requests and their answers."""

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
        """Return the period in which the request was decided."""
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
        """Return the values that were possible at some instant of the window."""
        changes = [_Change(initial, 0, 0), *self._changes.get((what, account_id), ())]
        over = [change for change in changes if change.end_ns <= window.begin_ns]
        return {
            change.value
            for change in changes
            if change.begin_ns < window.end_ns and not any(later.begin_ns > change.end_ns for later in over)
        }

    def statuses(self, account_id: str, window: Window) -> set[object]:
        """Return the possible states of the account."""
        return self._possible("status", account_id, window, "ACTIVE")

    def limits(self, account_id: str, window: Window) -> set[tuple[int, int]]:
        """Return the possible limits, each per transfer and per day."""
        possible = self._possible("limits", account_id, window, BANKS_LIMITS)
        return {value for value in possible if isinstance(value, tuple)}

    def own_limits(self, account_id: str) -> set[tuple[int | None, int | None]]:
        """Return the own limits that an account can have at the end; (None, None) if it has those of the bank."""
        end = max((attempt.ended_ns for attempt in self._attempts), default=0) + 1
        limits = self.limits(account_id, Window(end, end))
        return {(None, None) if pair == BANKS_LIMITS else pair for pair in limits}

    @cached_property
    def _acknowledged(self) -> Mapping[Caller, float]:
        """The time of the first response that acknowledged the request of a key."""
        told: dict[Caller, float] = {}
        for caller, attempts in self._by_key.items():
            moments = [attempt.ended_ns for attempt in attempts if attempt.outcome == "ok"]
            told[caller] = min(moments, default=NEVER)
        return told

    def _asked_ns(self, caller: Caller) -> int:
        return min(attempt.invoked_ns for attempt in self._by_key[caller])

    @cached_property
    def _spending(self) -> Mapping[str, Sequence[tuple[Caller, int]]]:
        """The amounts that count against the limit per day of each account, with their keys."""
        found: dict[str, list[tuple[Caller, int]]] = defaultdict(list)
        oracle = self._oracle
        for effect in oracle.effects.values():
            if effect.kind in COUNTED:
                found[effect.debit_id].append((effect.caller, effect.amount_minor))
        for expected_hold in oracle.expected_holds.values():
            found[expected_hold.account_id].append((expected_hold.caller, expected_hold.amount_minor))
        return found

    def spent_at_most(self, account_id: str, window: Window) -> int:
        """Return the largest amount that was possibly spent before the end of the window."""
        spent = self._spending.get(account_id, ())
        return sum(amount for caller, amount in spent if self._asked_ns(caller) < window.end_ns)

    def spent_at_least(self, account_id: str, window: Window) -> int:
        """Return the amount that was certainly spent before the start of the window; 0 if a new day may have begun."""
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
        """Return the largest amount that was possibly held at some instant of the window."""
        return sum(
            expected_hold.amount_minor
            for expected_hold in self._expected_holds_on.get(account_id, ())
            if self._asked_ns(expected_hold.caller) < window.end_ns and self._ended_ns(expected_hold) > window.begin_ns
        )

    def holds_acknowledged_before(self, account_id: str, moment_ns: int) -> set[str]:
        """Return the holds on an account that were acknowledged before this time."""
        return {
            p.hold_id for p in self._expected_holds_on.get(account_id, ()) if self._acknowledged[p.caller] <= moment_ns
        }

    def held_at_least(self, account_id: str, window: Window) -> int:
        """Return the amount that was certainly held during the whole window."""
        return sum(
            expected_hold.amount_minor
            for expected_hold in self._expected_holds_on.get(account_id, ())
            if self._acknowledged[expected_hold.caller] <= window.begin_ns
            and self._may_have_ended_ns(expected_hold) >= window.end_ns
        )

    def _may_have_ended_ns(self, expected_hold: ExpectedHold) -> float:
        """Return the earliest possible end of the hold: the first request to end it, or its expiry in the books."""
        asked = [attempt.invoked_ns for attempt in self._ends.get(expected_hold.hold_id, ())]
        database = self._database
        row = None if database is None else database.holds.get(expected_hold.hold_id)
        over = NEVER if row is None else row.expires_at_s * 1e9 + self._epoch_ns
        return min([*asked, over])

    def _ended_ns(self, expected_hold: ExpectedHold) -> float:
        """Return the time by which the hold had certainly ended; for an expiry, only the books contain its position."""
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
        """The position in the log of the expiry of each expired hold, by the id of the hold."""
        events = () if self._database is None else self._database.events
        return {str(e.data.get("hold_id")): e.position for e in events if e.event_type == "HoldExpiredEvent"}

    @cached_property
    def _answers_after(self) -> tuple[Sequence[int], Sequence[float]]:
        """Positions in the log, each with the time of the first answer to an event at it or after it.

        Positions are in the order of the commits, and no request is answered before its commit.
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
        """Return the possible balances of the account."""
        timelines = self._timelines
        timeline = None if timelines is None else timelines.accounts.get(account_id)
        if timeline is None:
            return ()
        oldest = timeline.newest_acknowledged(window.begin_ns)
        newest = min(timeline.newest_possible(window.end_ns), len(timeline.balances) - 1)
        return timeline.balances[oldest : newest + 1]

    def available_at_least(self, account_id: str, window: Window) -> int:
        """Return a lower bound of the available balance."""
        return min(self.balances(account_id, window), default=0) - self.held_at_most(account_id, window)

    def original(self, sent: Sent) -> Effect | None:
        """Return the original of a reversal."""
        return self._oracle.effects.get(sent.about_id or "")

    def reversed_at_most(self, attempt: Attempt, window: Window) -> int:
        """Return the largest amount that other requests possibly reversed of the same transaction."""
        mine = (attempt.operation.person, attempt.operation.key)
        others = self._oracle.reversals_of(attempt.sent.about_id or "")
        return sum(e.amount_minor for e in others if e.caller != mine and self._asked_ns(e.caller) < window.end_ns)

    def expected_hold(self, sent: Sent) -> ExpectedHold | None:
        """Return the hold that a request names."""
        return self._oracle.expected_holds.get(sent.about_id or "")

    @cached_property
    def _expiries(self) -> Mapping[str, float]:
        """The expiry of each hold, as in the bank's answers, on the clock of the attempts."""
        found: dict[str, float] = {}
        for attempt in self._attempts:
            if isinstance(attempt.answer, Held):
                found[attempt.answer.hold.hold_id] = self.moment_ns(attempt.answer.hold.expires_at)
        return found

    def moment_ns(self, instant: str) -> float:
        """Convert an instant of the bank's clock (RFC 3339) to the clock of the attempts."""
        return datetime.fromisoformat(instant).timestamp() * 1e9 + self._epoch_ns

    def expires_ns(self, hold_id: str) -> float:
        """Return the expiry of a hold on the clock of the attempts."""
        return self._expiries.get(hold_id, NEVER)

    def others_may_have_ended(self, attempt: Attempt, window: Window) -> bool:
        """Return whether a request with another key possibly ended the same hold."""
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
        """Yield each original with acknowledged reversals, the last of these attempts, and the sum of the reversals."""
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
