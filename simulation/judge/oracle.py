"""The oracle, which calculates the correct books from the requests and their answers.

It shares no code with the bank and does not use amounts from the books. It reads the books only to determine whether a
request with an unknown outcome has happened. An outcome that cannot be determined stays open, and the check that uses
the oracle does not pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from simulation.client.value_types import MalformedAnswerError, minor
from simulation.judge.database_state import DatabaseState, KeyRow, TransactionRow
from simulation.judge.effects import OUTSIDE, Effect, ExpectedHold, Oracle, RequestKey
from simulation.model.answers import BatchReceipt, HoldReceipt, TransactionReceipt
from simulation.model.attempts import Attempt, Sent
from simulation.model.operations import MONEY_KINDS, Kind
from simulation.model.terms import Terms

TRANSACTION_KINDS = {Kind.DEPOSIT: "DEPOSIT", Kind.TRANSFER: "TRANSFER", Kind.WITHDRAW: "WITHDRAWAL"}
"""The kind of transaction in the books, by the kind of operation."""


@dataclass(frozen=True, slots=True)
class _KnownEffects:
    """The effects of a key, by the ids in a response or, without a response, in the row of the key."""

    transaction_ids: tuple[str | None, ...]
    hold_id: str | None
    acknowledged: bool


@dataclass(slots=True)
class _Resolution:
    """The intermediate results of the resolution."""

    database: DatabaseState | None
    user_ids: Mapping[int, str]
    ids_by_number: Mapping[str, str]
    terms: Terms
    effects: dict[str, Effect] = field(default_factory=dict)
    expected_holds: dict[str, ExpectedHold] = field(default_factory=dict)
    unresolved: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)
    unknown: int = 0


def resolve(
    by_key: Mapping[RequestKey, Sequence[Attempt]],
    *,
    database: DatabaseState | None,
    user_ids: Mapping[int, str],
    ids_by_number: Mapping[str, str],
    terms: Terms,
) -> Oracle:
    """Determine for each key the movements of money and the holds that must have happened.

    The end of a hold is resolved after the hold, and a reversal after its original. A reversal of the whole rest is
    resolved after the reversals with an amount.
    """
    resolution = _Resolution(database, user_ids, ids_by_number, terms)
    groups: list[list[tuple[RequestKey, list[Attempt]]]] = [[], [], [], []]
    for request_key, sent in by_key.items():
        attempts = [attempt for attempt in sent if attempt.operation.kind in MONEY_KINDS]
        if attempts:
            groups[_resolution_order(attempts[0])].append((request_key, attempts))
    for group in groups:
        for request_key, attempts in group:
            effects = _known_effects(resolution, request_key, attempts)
            if effects is not None and not _add_effects(resolution, request_key, attempts, effects):
                resolution.contradictions.append(f"{attempts[0]} moved money, but no request with this key did so")
    return Oracle(
        resolution.effects,
        resolution.expected_holds,
        resolution.unresolved,
        resolution.contradictions,
        resolution.unknown,
    )


def _resolution_order(attempt: Attempt) -> int:
    match attempt.operation.kind:
        case Kind.CAPTURE | Kind.RELEASE:
            return 1
        case Kind.REVERSE:
            return 3 if attempt.sent.amount is None else 2
        case _:
            return 0


def _known_effects(
    resolution: _Resolution, request_key: RequestKey, attempts: Sequence[Attempt]
) -> _KnownEffects | None:
    """Return the effects of a key, or None if there is none, or if it cannot be determined."""
    for attempt in attempts:
        match attempt.answer:
            case TransactionReceipt(transaction_id=id_):
                return _KnownEffects((id_,), None, acknowledged=True)
            case BatchReceipt(items=items):
                ids = tuple(item.transaction_id if isinstance(item, TransactionReceipt) else None for item in items)
                return _KnownEffects(ids, None, acknowledged=True)
            case HoldReceipt(hold=hold, moved=moved):
                return _KnownEffects((moved.transaction_id if moved else None,), hold.hold_id, acknowledged=True)
    if not any(attempt.outcome in {"unknown", "error"} for attempt in attempts):
        return None
    resolution.unknown += all(attempt.outcome in {"unknown", "error"} for attempt in attempts)
    if resolution.database is None:
        resolution.unresolved.append(f"whether {attempts[0]} happened, since the database could not be read")
        return None
    row = resolution.database.keys.get((resolution.user_ids.get(request_key[0], ""), request_key[1]))
    return None if row is None else _effects_in_row(row)


def _effects_in_row(row: KeyRow) -> _KnownEffects | None:
    """Return the effects in the row of a key, or None if its outcome is a refusal."""
    ids = row.listed or (row.transaction_id,)
    if row.hold_id is None and not any(ids):
        return None
    return _KnownEffects(ids, row.hold_id, acknowledged=False)


def _add_effects(
    resolution: _Resolution, request_key: RequestKey, attempts: Sequence[Attempt], effects: _KnownEffects
) -> bool:
    """Add the effects that must have happened; return whether a request requested them."""
    executed = _executed_request(resolution, attempts, effects)
    if executed is None:
        return False
    sent, kind = executed.sent, executed.operation.kind
    if kind is Kind.BATCH:
        pairs = zip(sent.items, effects.transaction_ids, strict=False)
        return len(sent.items) == len(effects.transaction_ids) and all(
            id_ is None
            or _add_effect(
                resolution,
                request_key,
                "TRANSFER",
                content_of(item, resolution.ids_by_number),
                transaction_id=id_,
                acknowledged=effects.acknowledged,
                description=item.text,
            )
            for item, id_ in pairs
        )
    if kind is Kind.AUTHORIZE:
        return _add_hold(resolution, request_key, sent, effects.hold_id)
    if kind in {Kind.CAPTURE, Kind.RELEASE}:
        return _end_hold(resolution, request_key, executed, effects)
    [id_] = effects.transaction_ids
    if kind is Kind.REVERSE:
        name, content = "REVERSAL", _reversal_content(resolution, sent)
    else:
        name, content = (
            TRANSACTION_KINDS[kind],
            content_of(sent, resolution.ids_by_number, to_outside=kind is Kind.WITHDRAW),
        )
    return _add_effect(
        resolution,
        request_key,
        name,
        content,
        transaction_id=id_,
        acknowledged=effects.acknowledged,
        related_id=sent.about_id,
        description=sent.text,
    )


def _executed_request(resolution: _Resolution, attempts: Sequence[Attempt], effects: _KnownEffects) -> Attempt | None:
    """Return the executed request of a key, because the key may have been sent with two contents."""
    if effects.acknowledged:
        return next(attempt for attempt in attempts if attempt.answer is not None)
    id_ = effects.transaction_ids[0]
    if attempts[0].operation.kind not in {Kind.TRANSFER, Kind.DEPOSIT} or id_ is None or resolution.database is None:
        return attempts[0]
    missing = TransactionRow(id_, "?", 0, "?", "?", "?")
    return next(
        _matching_requests(attempts, resolution.database.transactions.get(id_, missing), resolution.ids_by_number), None
    )


def _matching_requests(
    attempts: Sequence[Attempt], row: TransactionRow, ids_by_number: Mapping[str, str]
) -> Iterator[Attempt]:
    for attempt in attempts:
        content = content_of(attempt.sent, ids_by_number)
        if content is None:
            continue
        debit_id, credit_id, amount_minor = content
        is_debit = debit_id in {OUTSIDE, row.debit_account_id}
        if is_debit and (row.credit_account_id, row.amount_minor) == (credit_id, amount_minor):
            yield attempt


Content = tuple[str, str, int]
"""Debit account, credit account and amount."""


def _add_effect(
    resolution: _Resolution,
    request_key: RequestKey,
    kind: str,
    content: Content | None,
    *,
    transaction_id: str | None,
    acknowledged: bool,
    related_id: str | None = None,
    description: str | None = None,
) -> bool:
    if content is None or transaction_id is None:
        return False
    effect = Effect(
        request_key,
        kind,
        *content,
        transaction_id,
        acknowledged,
        fee_minor=resolution.terms.fee_minor(kind),
        related_id=related_id,
        description=description,
    )
    resolution.effects.setdefault(transaction_id, effect)
    return True


def _add_hold(resolution: _Resolution, request_key: RequestKey, sent: Sent, hold_id: str | None) -> bool:
    content = content_of(sent, resolution.ids_by_number)
    if content is None or hold_id is None:
        return False
    resolution.expected_holds.setdefault(
        hold_id, ExpectedHold(request_key, hold_id, *content, description=sent.text, expires_at=sent.expires_at)
    )
    return True


def _end_hold(resolution: _Resolution, request_key: RequestKey, executed: Attempt, effects: _KnownEffects) -> bool:
    """Add the capture or release of a hold. A second end is a contradiction."""
    expected_hold = resolution.expected_holds.get(executed.sent.about_id or "")
    if expected_hold is None:
        return False
    if expected_hold.ended_by is not None:
        resolution.contradictions.append(f"{executed} ended a hold that had already ended")
        return True
    expected_hold.ended_by = request_key
    if executed.operation.kind is Kind.RELEASE:
        return True
    amount = executed.sent.amount
    expected_hold.captured_minor = expected_hold.amount_minor if amount is None else minor(amount)
    content = (expected_hold.account_id, expected_hold.to_account_id, expected_hold.captured_minor)
    [id_] = effects.transaction_ids
    return _add_effect(
        resolution,
        request_key,
        "CAPTURE",
        content,
        transaction_id=id_,
        acknowledged=effects.acknowledged,
        related_id=expected_hold.hold_id,
        description=expected_hold.description,
    )


def _reversal_content(resolution: _Resolution, sent: Sent) -> Content | None:
    """Return the reversal of a transaction, with the requested amount or the whole rest."""
    original = resolution.effects.get(sent.about_id or "")
    if original is None:
        return None
    amount_minor = original.amount_minor
    if sent.amount is not None:
        amount_minor = minor(sent.amount)
    else:
        amount_minor -= sum(
            e.amount_minor
            for e in resolution.effects.values()
            if e.kind == "REVERSAL" and e.related_id == sent.about_id
        )
    return (original.credit_id, original.debit_id, amount_minor) if amount_minor > 0 else None


def content_of(sent: Sent, ids_by_number: Mapping[str, str], *, to_outside: bool = False) -> Content | None:
    """Return debit account, credit account and amount of a request; None if an account or the amount is invalid."""
    credit_id = OUTSIDE if to_outside else ids_by_number.get(sent.target_number or "")
    if credit_id is None:
        return None
    try:
        amount_minor = minor(sent.amount)
    except MalformedAnswerError:
        return None
    return sent.account_id or OUTSIDE, credit_id, amount_minor
