"""The rules of idempotency keys that several checks share."""

from collections.abc import Sequence

from simulation.model.attempts import Attempt

UNSTORED = frozenset({"INVALID_INPUT", "INVALID_AMOUNT", "BAD_INPUT", "CURRENCY_MISMATCH"})
"""Refusals of what is wrong in itself, the end of a hold that is over already among it: never kept under the key."""

NOT_DECIDED = frozenset({"UNAUTHENTICATED", "OVERLOADED", "FORBIDDEN"})
"""Answers that say nothing about the key."""

REUSED = "IDEMPOTENCY_KEY_REUSED"


def is_decision(attempt: Attempt) -> bool:
    """Return whether the answer is what the bank keeps under the key."""
    if attempt.outcome == "ok":
        return True
    return attempt.outcome == "refused" and attempt.code not in UNSTORED | NOT_DECIDED | {REUSED}


def may_be_kept(attempt: Attempt) -> bool:
    """Return whether the bank keeps something about this request under the key, or may do so unbeknown to us."""
    return is_decision(attempt) or attempt.outcome in {"unknown", "error"}


def differ(one: Attempt, other: Attempt) -> bool:
    """Return whether two requests with one key ask for different things."""
    return (one.operation.kind, one.sent) != (other.operation.kind, other.sent)


def may_stand_for_another(attempt: Attempt, same_key: Sequence[Attempt]) -> bool:
    """Return whether the key may have been used for another content than this request's."""
    return any(differ(attempt, other) and may_be_kept(other) for other in same_key)
