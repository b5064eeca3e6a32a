"""The effects that the oracle has worked out: money that moved, and money that was held."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Caller = tuple[int, str]
"""A person and an idempotency key: what the bank must act on at most once."""

OUTSIDE = "outside"
"""Where money comes from and goes to: the bank's cash account stands for it."""

FEES = "fees"
"""What the bank earns."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Money that must have moved, by the content of the request; the fee comes on top, with a transaction of its own.

    `kind` is the transaction's. `related_id` is the original of a reversal, or the hold of a capture.
    """

    caller: Caller
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
    """Money that was set aside, and what ended that: a capture or a release (None: nothing that anybody asked for)."""

    caller: Caller
    hold_id: str
    account_id: str
    to_account_id: str
    amount_minor: int
    ended_by: Caller | None = None
    captured_minor: int = 0
    description: str | None = None
    expires_at: str | None = None


@dataclass(frozen=True, slots=True)
class Oracle:
    """Everything that must have happened. `unresolved` outcomes nobody can tell; `contradictions` are within the books.

    `unknown_outcomes` counts the keys of which nobody was ever told anything.
    """

    effects: Mapping[str, Effect]
    expected_holds: Mapping[str, ExpectedHold]
    unresolved: Sequence[str]
    contradictions: Sequence[str]
    unknown_outcomes: int

    def balances(self) -> dict[str, int]:
        """Return what each account must hold, that of the outside and that of the fees included."""
        expected: dict[str, int] = defaultdict(int)
        for effect in self.effects.values():
            expected[effect.credit_id] += effect.amount_minor
            expected[effect.debit_id] -= effect.amount_minor + effect.fee_minor
            expected[FEES] += effect.fee_minor
        return dict(expected)

    def reversals_of(self, transaction_id: str) -> list[Effect]:
        """Return what takes a transaction back."""
        return [e for e in self.effects.values() if e.kind == "REVERSAL" and e.related_id == transaction_id]
