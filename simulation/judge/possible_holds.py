"""Possible holds on accounts between a request and its response."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import accumulate

from simulation.judge.database_state import DatabaseState
from simulation.judge.effects import Effect, ExpectedHold, Oracle
from simulation.judge.request_times import NEVER, RequestTimes, Window
from simulation.model.answers import HoldReceipt
from simulation.model.attempts import Attempt, Sent
from simulation.model.operations import Kind

EXPIRY_SHOWN_NS = 1_000_000_000
"""The time for which the cache may still show an expired hold, counted from the first answer to a later decision.

No response reports an expiry, but its commit is before every answer to a later decision. If the slowest request of the
run took longer than this time, its duration is used.
"""


class PossibleHolds:
    """The possible holds, derived from the requests, their answers and the positions of expiries in the log."""

    def __init__(
        self, attempts: Sequence[Attempt], times: RequestTimes, oracle: Oracle, database: DatabaseState | None
    ) -> None:
        self._attempts = attempts
        self._times = times
        self._oracle = oracle
        self._database = database

    @cached_property
    def _holds_by_account(self) -> Mapping[str, Sequence[ExpectedHold]]:
        found: dict[str, list[ExpectedHold]] = defaultdict(list)
        for expected_hold in self._oracle.expected_holds.values():
            found[expected_hold.account_id].append(expected_hold)
        return found

    def held_at_most(self, account_id: str, window: Window) -> int:
        """Return the largest amount that was possibly held at some instant of the window."""
        return sum(
            expected_hold.amount_minor
            for expected_hold in self._holds_by_account.get(account_id, ())
            if self._times.requested_ns(expected_hold.request_key) < window.end_ns
            and self._latest_end_ns(expected_hold) > window.begin_ns
        )

    def acknowledged_before(self, account_id: str, moment_ns: int) -> set[str]:
        """Return the holds on an account that were acknowledged before this time."""
        return {
            p.hold_id
            for p in self._holds_by_account.get(account_id, ())
            if self._times.acknowledged_ns(p.request_key) <= moment_ns
        }

    def held_at_least(self, account_id: str, window: Window) -> int:
        """Return the amount that was certainly held during the whole window."""
        return sum(
            expected_hold.amount_minor
            for expected_hold in self._holds_by_account.get(account_id, ())
            if self._times.acknowledged_ns(expected_hold.request_key) <= window.begin_ns
            and self._earliest_end_ns(expected_hold) >= window.end_ns
        )

    def _earliest_end_ns(self, expected_hold: ExpectedHold) -> float:
        """Return the earliest possible end of the hold: the first request to end it, or its expiry in the books."""
        requested = [attempt.invoked_ns for attempt in self._end_requests.get(expected_hold.hold_id, ())]
        database = self._database
        row = None if database is None else database.holds.get(expected_hold.hold_id)
        expiry_ns = NEVER if row is None else row.expires_at_s * 1e9 + self._times.epoch_ns
        return min([*requested, expiry_ns])

    def _latest_end_ns(self, expected_hold: ExpectedHold) -> float:
        """Return the time by which the hold had certainly ended; for an expiry, only the books contain its position."""
        if expected_hold.ended_by is not None:
            return self._times.acknowledged_ns(expected_hold.ended_by)
        position = self._expiry_positions.get(expected_hold.hold_id)
        if position is None:
            return NEVER
        positions, answered_ns = self._answers_after
        place = bisect_right(positions, position)
        if place == len(positions):
            return NEVER
        return answered_ns[place] + max(EXPIRY_SHOWN_NS, self._slowest_request_ns)

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
        answers: list[tuple[int, float]] = []
        for event in events:
            if event.event_type == "TransactionCompletedEvent":
                done: Effect | ExpectedHold | None = self._oracle.effects.get(str(event.data.get("transaction_id")))
            elif event.event_type == "HoldAuthorizedEvent":
                done = self._oracle.expected_holds.get(str(event.data.get("hold_id")))
            else:
                continue
            if done is not None:
                answers.append((event.position, self._times.acknowledged_ns(done.request_key)))
        answered = list(accumulate([moment for _, moment in reversed(answers)], min))[::-1]
        return [position for position, _ in answers], answered

    @cached_property
    def _slowest_request_ns(self) -> float:
        return max((a.ended_ns - a.invoked_ns for a in self._attempts if a.outcome != "unknown"), default=0)

    def named_by(self, sent: Sent) -> ExpectedHold | None:
        """Return the hold that a request names."""
        return self._oracle.expected_holds.get(sent.about_id or "")

    @cached_property
    def _expiries(self) -> Mapping[str, float]:
        """The expiry of each hold, as in the bank's answers, on the clock of the attempts."""
        found: dict[str, float] = {}
        for attempt in self._attempts:
            if isinstance(attempt.answer, HoldReceipt):
                found[attempt.answer.hold.hold_id] = self._times.moment_ns(attempt.answer.hold.expires_at)
        return found

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
            for one in self._end_requests.get(attempt.sent.about_id or "", ())
        )

    @cached_property
    def _end_requests(self) -> Mapping[str, Sequence[Attempt]]:
        found: dict[str, list[Attempt]] = defaultdict(list)
        for attempt in self._attempts:
            if attempt.operation.kind in {Kind.CAPTURE, Kind.RELEASE} and attempt.sent.about_id is not None:
                found[attempt.sent.about_id].append(attempt)
        return found
