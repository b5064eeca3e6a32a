"""Coverage of idempotency keys: the ways of sending a key that got the expected answer."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

from simulation.judge.evidence import Evidence
from simulation.model.attempts import Attempt
from simulation.model.operations import Intent, Kind

Count = Callable[[Evidence], int]

BURST_AT_ONCE = 10
"""The least number of the fifty requests of a burst that must be in flight at once for the burst to count."""


def _intended(*intents: Intent, code: str | None = None, replayed: bool | None = None) -> Count:
    """Count the requests with one of these intents and an answer with this code (None: a success)."""

    def count(evidence: Evidence) -> int:
        return sum(
            attempt.operation.intent in intents
            and attempt.outcome in {"ok", "refused"}
            and attempt.code == code
            and replayed in {None, attempt.replayed}
            for attempt in evidence.attempts
        )

    return count


def _free_after(*codes: str) -> Count:
    """Count the keys that were first refused with one of these codes, and then used for a first success."""

    def count(evidence: Evidence) -> int:
        found = 0
        for attempts in evidence.by_key.values():
            in_vain = [a for a in attempts if a.code in codes and a.outcome == "refused"]
            first = [a for a in attempts if a.operation.after is not None and a.outcome == "ok" and a.replayed is False]
            found += any(a.operation is b.operation.after for a in in_vain for b in first)
        return found

    return count


def _after(kind: Kind, code: str | None) -> Count:
    """Count the replays that were sent after a success of this kind."""

    def count(evidence: Evidence) -> int:
        done = {a.operation for a in evidence.attempts if a.operation.kind is kind and a.outcome == "ok"}
        replays = [a for a in evidence.attempts if a.replayed is True and a.operation.after in done]
        return sum(attempt.code == code for attempt in replays)

    return count


def _bursts(evidence: Evidence) -> int:
    return sum(most_at_once(attempts) >= BURST_AT_ONCE for attempts in evidence.by_key.values())


def most_at_once(attempts: Sequence[Attempt]) -> int:
    """Return the largest number of these requests that were in flight at the same time."""
    moments = sorted([(a.invoked_ns, 1) for a in attempts] + [(a.ended_ns, -1) for a in attempts])
    most = now = 0
    for _, change in moments:
        now += change
        most = max(most, now)
    return most


REUSED = "IDEMPOTENCY_KEY_REUSED"

KEY_COVERAGE: Mapping[str, tuple[str, Count]] = MappingProxyType(
    {
        "key_bursts": (f"Keys sent by {BURST_AT_ONCE} or more requests at the same moment", _bursts),
        "keys_for_another_mutation": (
            "Keys refused for another mutation",
            _intended(Intent.OTHER_MUTATION, code=REUSED),
        ),
        "keys_of_other_callers": (
            "Keys of another person accepted",
            _intended(Intent.OTHER_CALLER, replayed=False),
        ),
        "respelled_replays": (
            "Replays with another spelling of the request",
            _intended(Intent.RESPELLED, replayed=True),
        ),
        "aliased_replays": ("Replays within one document", _intended(Intent.ALIAS, replayed=True)),
        "aliased_conflicts": (
            "Keys refused because of other content in one document",
            _intended(Intent.ALIAS, code=REUSED),
        ),
        "replays_with_a_new_token": ("Replays with a new token", _after(Kind.REFRESH, None)),
        "replayed_refusals_despite_money": (
            "Refusals for insufficient funds, replayed after money has arrived",
            _after(Kind.DEPOSIT, "INSUFFICIENT_FUNDS"),
        ),
        "keys_missing": ("Requests without a key refused", _intended(Intent.KEY_MISSING, code="BAD_INPUT")),
        "keys_empty": ("Empty keys refused", _intended(Intent.KEY_EMPTY, code="INVALID_INPUT")),
        "keys_too_long": ("Keys that are too long refused", _intended(Intent.KEY_TOO_LONG, code="INVALID_INPUT")),
        "keys_malformed": ("Malformed keys refused", _intended(Intent.KEY_MALFORMED, code="INVALID_INPUT")),
        "keys_free_after_wrong_input": ("Keys used after invalid input", _free_after("INVALID_AMOUNT")),
        "keys_free_without_a_token": ("Keys used after a request without a token", _free_after("UNAUTHENTICATED")),
        "keys_free_when_forbidden": ("Keys used after a forbidden request", _free_after("FORBIDDEN")),
    }
)
"""The coverage of keys by name: its title and its count."""
