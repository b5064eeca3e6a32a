"""The effects that the oracle calculates: movements of money, and holds."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

RequestKey = tuple[int, str]
"""A person and an idempotency key, for which the bank may execute at most one request."""

OUTSIDE = "outside"
"""The oracle's account for money outside the bank, which the bank's cash account represents."""

FEES = "fees"
"""The oracle's account for the bank's fees."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Money that must have moved, by the content of the request. The fee is additional, in a separate transaction.

    `kind` is that of the transaction. `related_id` is the original of a reversal, or the hold of a capture.
    """

    request_key: RequestKey
    kind: str
    debit_id: str
    credit_id: str
    amount_minor: int
    transaction_id: str
    acknowledged: bool
    fee_minor: int = 0
    related_id: str | None = None
    description: str | None = None


@dataclass(slots=True)
class ExpectedHold:
    """A hold that must exist. `ended_by` is the key of its capture or release; None if no request ended it."""

    request_key: RequestKey
    hold_id: str
    account_id: str
    to_account_id: str
    amount_minor: int
    ended_by: RequestKey | None = None
    captured_minor: int = 0
    description: str | None = None
    expires_at: str | None = None


@dataclass(frozen=True, slots=True)
class Oracle:
    """All effects that must have happened.

    `unresolved` describes the outcomes that cannot be determined, and `contradictions` the effects that no valid
    request explains. `unknown_outcomes` counts the keys of which no request got an answer.
    """

    effects: Mapping[str, Effect]
    expected_holds: Mapping[str, ExpectedHold]
    unresolved: Sequence[str]
    contradictions: Sequence[str]
    unknown_outcomes: int

    def balances(self) -> dict[str, int]:
        """Return the expected balance of each account, with those of `OUTSIDE` and `FEES`."""
        expected: dict[str, int] = defaultdict(int)
        for effect in self.effects.values():
            expected[effect.credit_id] += effect.amount_minor
            expected[effect.debit_id] -= effect.amount_minor + effect.fee_minor
            expected[FEES] += effect.fee_minor
        return dict(expected)

    def reversals_of(self, transaction_id: str) -> list[Effect]:
        """Return the reversals of a transaction."""
        return [e for e in self.effects.values() if e.kind == "REVERSAL" and e.related_id == transaction_id]
