"""The rules of idempotency keys that several checks share."""

from collections.abc import Sequence

from simulation.model.attempts import Attempt

UNSTORED_CODES = frozenset({"INVALID_INPUT", "INVALID_AMOUNT", "BAD_INPUT", "CURRENCY_MISMATCH"})
"""Refusals of requests that are invalid in themselves, such as a hold with an end in the past. They are never stored
under the key."""

UNDECIDED_CODES = frozenset({"UNAUTHENTICATED", "OVERLOADED", "RATE_LIMITED", "FORBIDDEN"})
"""Refusals before a decision, which contain no information about the key."""

REUSED = "IDEMPOTENCY_KEY_REUSED"


def is_decision(attempt: Attempt) -> bool:
    """Return whether the answer is an outcome that the bank stores under the key."""
    if attempt.outcome == "ok":
        return True
    return attempt.outcome == "refused" and attempt.code not in UNSTORED_CODES | UNDECIDED_CODES | {REUSED}


def may_be_stored(attempt: Attempt) -> bool:
    """Return whether the bank stores an outcome of this request under the key, or may do so without an answer."""
    return is_decision(attempt) or attempt.outcome in {"unknown", "error"}


def have_different_content(one: Attempt, other: Attempt) -> bool:
    """Return whether two requests with one key have different content."""
    return (one.operation.kind, one.sent) != (other.operation.kind, other.sent)


def may_be_stored_for_another(attempt: Attempt, same_key: Sequence[Attempt]) -> bool:
    """Return whether the key may be stored for a request with other content."""
    return any(have_different_content(attempt, other) and may_be_stored(other) for other in same_key)
