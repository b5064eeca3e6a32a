"""Possible states of accounts and transactions between a request and its response.

Clients cannot observe the order in which the bank decides concurrent requests. So a refusal is right if its reason was
possible at some instant between request and response, and a success is wrong only if a reason against it held during
the whole time.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from simulation.client.account_requests import DAILY_LIMIT_FACTOR
from simulation.client.value_types import minor
from simulation.judge.effects import Effect, Oracle, RequestKey
from simulation.judge.possible_holds import PossibleHolds
from simulation.judge.request_times import NEVER, RequestTimes, Window
from simulation.judge.timeline import Timelines
from simulation.model.answers import receipts_in
from simulation.model.attempts import Attempt, Sent
from simulation.model.operations import STATE_KINDS, Kind

DEFAULT_LIMITS = (100_000_000, 500_000_000)
"""The bank's limits per transfer and per day, in minor units, for accounts without own limits."""

STATUS = {Kind.FREEZE: "FROZEN", Kind.UNFREEZE: "ACTIVE", Kind.CLOSE: "CLOSED"}

LIMITED_KINDS = frozenset({"TRANSFER", "WITHDRAWAL"})
"""The kinds of transactions that count against the limit per day; holds count too."""


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
        times: RequestTimes,
        *,
        oracle: Oracle,
        holds: PossibleHolds,
        timelines: Timelines | None,
    ) -> None:
        self._attempts = attempts
        self._oracle = oracle
        self._timelines = timelines
        self._times = times
        self._holds = holds

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
        possible = self._possible("limits", account_id, window, DEFAULT_LIMITS)
        return {value for value in possible if isinstance(value, tuple)}

    def own_limits(self, account_id: str) -> set[tuple[int | None, int | None]]:
        """Return the own limits that an account can have at the end; (None, None) if it has those of the bank."""
        end = max((attempt.ended_ns for attempt in self._attempts), default=0) + 1
        limits = self.limits(account_id, Window(end, end))
        return {(None, None) if pair == DEFAULT_LIMITS else pair for pair in limits}

    @cached_property
    def _spending(self) -> Mapping[str, Sequence[tuple[RequestKey, int]]]:
        """The amounts that count against the limit per day of each account, with their keys."""
        found: dict[str, list[tuple[RequestKey, int]]] = defaultdict(list)
        oracle = self._oracle
        for effect in oracle.effects.values():
            if effect.kind in LIMITED_KINDS:
                found[effect.debit_id].append((effect.request_key, effect.amount_minor))
        for expected_hold in oracle.expected_holds.values():
            found[expected_hold.account_id].append((expected_hold.request_key, expected_hold.amount_minor))
        return found

    def spent_at_most(self, account_id: str, window: Window) -> int:
        """Return the largest amount that was possibly spent before the end of the window."""
        spent = self._spending.get(account_id, ())
        return sum(amount for request_key, amount in spent if self._times.requested_ns(request_key) < window.end_ns)

    def spent_at_least(self, account_id: str, window: Window) -> int:
        """Return the amount that was certainly spent before the start of the window; 0 if a new day may have begun."""
        first_ns = self._attempts[0].invoked_ns
        if self._times.day(first_ns) != self._times.day(window.end_ns):
            return 0
        spent = self._spending.get(account_id, ())
        return sum(
            amount for request_key, amount in spent if self._times.acknowledged_ns(request_key) <= window.begin_ns
        )

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
        return min(self.balances(account_id, window), default=0) - self._holds.held_at_most(account_id, window)

    def original(self, sent: Sent) -> Effect | None:
        """Return the original of a reversal."""
        return self._oracle.effects.get(sent.about_id or "")

    def reversed_at_most(self, attempt: Attempt, window: Window) -> int:
        """Return the largest amount that other requests possibly reversed of the same transaction."""
        mine = (attempt.operation.person, attempt.operation.key)
        others = self._oracle.reversals_of(attempt.sent.about_id or "")
        possible = [
            e for e in others if e.request_key != mine and self._times.requested_ns(e.request_key) < window.end_ns
        ]
        return sum(e.amount_minor for e in possible)

    def acknowledged_reversals(self) -> Iterator[tuple[Effect, Attempt, int]]:
        """Yield each original with acknowledged reversals, the last of these attempts, and the sum of the reversals."""
        amounts: dict[str, dict[str, int]] = defaultdict(dict)
        last: dict[str, Attempt] = {}
        for attempt in self._attempts:
            about_id = attempt.sent.about_id
            if attempt.operation.kind is Kind.REVERSE and about_id is not None:
                for move in receipts_in(attempt.answer):
                    amounts[about_id][move.transaction_id] = move.amount_minor
                    last[about_id] = attempt
        for about_id, taken in amounts.items():
            original = self._oracle.effects.get(about_id)
            if original is not None:
                yield original, last[about_id], sum(taken.values())


def _limits(sent: Sent) -> tuple[int, int]:
    if sent.amount is None:
        return DEFAULT_LIMITS
    once = minor(sent.amount)
    return once, DAILY_LIMIT_FACTOR * once
