"""The oracle: what the bank's books must say, worked out from what people asked and what they were told.

It shares no code with the bank and does not believe the books about amounts: it asks them only whether something of
which nobody was told, an unknown outcome, has happened. What cannot be resolved stays open, and then nothing passes.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from simulation.answers import MalformedAnswerError, Moved, minor
from simulation.facts import Facts, TransactionRow
from simulation.history import Attempt, Sent
from simulation.plan import MONEY_KINDS, Kind

Caller = tuple[int, str]
"""A person and an idempotency key: what the bank must act on at most once."""


@dataclass(frozen=True, slots=True)
class Effect:
    """Money that must have moved, by the content of the request. `debit_id` is None where it came from outside."""

    caller: Caller
    kind: Kind
    debit_id: str | None
    credit_id: str
    amount_minor: int
    transaction_id: str
    acknowledged: bool


@dataclass(frozen=True, slots=True)
class Oracle:
    """What must have happened. `unresolved` outcomes nobody can tell; `contradictions` the books tell of themselves.

    `unknown_outcomes` counts the keys of which nobody was ever told anything.
    """

    effects: Mapping[str, Effect]
    unresolved: Sequence[str]
    contradictions: Sequence[str]
    unknown_outcomes: int

    def balances(self) -> dict[str, int]:
        """Return what each account must hold; what came from outside is not anybody's here."""
        expected: dict[str, int] = defaultdict(int)
        for effect in self.effects.values():
            expected[effect.credit_id] += effect.amount_minor
            if effect.debit_id is not None:
                expected[effect.debit_id] -= effect.amount_minor
        return dict(expected)

    @property
    def paid_in_minor(self) -> int:
        """What has come from outside, in all."""
        return sum(effect.amount_minor for effect in self.effects.values() if effect.debit_id is None)


def resolve(
    by_key: Mapping[Caller, Sequence[Attempt]],
    *,
    facts: Facts | None,
    user_ids: Mapping[int, str],
    ids_by_number: Mapping[str, str],
) -> Oracle:
    """Decide for each key whether money must have moved, and which."""
    effects: dict[str, Effect] = {}
    unresolved: list[str] = []
    contradictions: list[str] = []
    unknown = 0
    for caller, sent in by_key.items():
        attempts = [attempt for attempt in sent if attempt.operation.kind in MONEY_KINDS]
        if not attempts:
            continue
        transaction_id, asked = _first_told(attempts)
        acknowledged = transaction_id is not None
        if not acknowledged:
            if not any(attempt.outcome in {"unknown", "error"} for attempt in attempts):
                continue
            unknown += all(attempt.outcome in {"unknown", "error"} for attempt in attempts)
            if facts is None:
                unresolved.append(f"whether {attempts[0]} happened, since the database could not be read")
                continue
            row = _booked(facts, user_ids.get(caller[0], ""), caller[1])
            if row is None:
                continue
            transaction_id, asked = row.id, next(_asked_for(attempts, row, ids_by_number), None)
        effect = _effect(caller, asked, transaction_id, ids_by_number, acknowledged=acknowledged)
        if effect is None:
            contradictions.append(f"{asked or attempts[0]} moved money that nobody asked to move with this key")
        else:
            effects.setdefault(effect.transaction_id, effect)
    return Oracle(effects, unresolved, contradictions, unknown)


def _first_told(attempts: Sequence[Attempt]) -> tuple[str | None, Attempt | None]:
    for attempt in attempts:
        if isinstance(attempt.answer, Moved):
            return attempt.answer.transaction_id, attempt
    return None, None


def _booked(facts: Facts, caller_id: str, key: str) -> TransactionRow | None:
    """Return the transaction that a key stands for in the books, or None where it moved nothing."""
    row = facts.keys.get((caller_id, key))
    if row is None or row.transaction_id is None:
        return None
    missing = TransactionRow(row.transaction_id, "?", 0, "?", "?", "?")
    return facts.transactions.get(row.transaction_id, missing)


def _asked_for(attempts: Sequence[Attempt], row: TransactionRow, ids_by_number: Mapping[str, str]) -> Iterator[Attempt]:
    """Yield the attempts whose content is what the transaction did: a key may have been tried with two contents."""
    for attempt in attempts:
        content = content_of(attempt.sent, ids_by_number)
        if content is None:
            continue
        debit_id, credit_id, amount_minor = content
        is_debit = debit_id is None or row.debit_account_id == debit_id
        if is_debit and (row.credit_account_id, row.amount_minor) == (credit_id, amount_minor):
            yield attempt


def _effect(
    caller: Caller,
    asked: Attempt | None,
    transaction_id: str | None,
    ids_by_number: Mapping[str, str],
    *,
    acknowledged: bool,
) -> Effect | None:
    content = None if asked is None else content_of(asked.sent, ids_by_number)
    if asked is None or content is None or transaction_id is None:
        return None
    debit_id, credit_id, amount_minor = content
    return Effect(caller, asked.operation.kind, debit_id, credit_id, amount_minor, transaction_id, acknowledged)


def content_of(sent: Sent, ids_by_number: Mapping[str, str]) -> tuple[str | None, str, int] | None:
    """Return debit account, credit account and amount of a request; None where it names nothing that could move."""
    credit_id = ids_by_number.get(sent.target_number or "")
    if credit_id is None:
        return None
    try:
        amount_minor = minor(sent.amount)
    except MalformedAnswerError:
        return None
    return sent.account_id, credit_id, amount_minor
