"""The oracle, which calculates the correct books from the requests and their answers.

It shares no code with the bank and does not use amounts from the books. It reads the books only to determine whether a
request with an unknown outcome has happened. An outcome that cannot be determined stays open, and the check that uses
the oracle does not pass.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from simulation.client.forms import MalformedAnswerError, minor
from simulation.judge.database_state import DatabaseState, KeyRow, TransactionRow
from simulation.judge.effects import OUTSIDE, Caller, Effect, ExpectedHold, Oracle
from simulation.model.answers import Held, Listed, Moved
from simulation.model.attempts import Attempt, Sent
from simulation.model.operations import MONEY_KINDS, Kind
from simulation.model.terms import Terms

NAMES = {Kind.DEPOSIT: "DEPOSIT", Kind.TRANSFER: "TRANSFER", Kind.WITHDRAW: "WITHDRAWAL"}
"""The kind of transaction in the books, by the kind of operation."""


@dataclass(frozen=True, slots=True)
class _Happened:
    """The effects of a key, by the ids in a response or, without a response, in the row of the key."""

    transaction_ids: tuple[str | None, ...]
    hold_id: str | None
    acknowledged: bool


@dataclass(slots=True)
class _Resolving:
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
    by_key: Mapping[Caller, Sequence[Attempt]],
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
    found = _Resolving(database, user_ids, ids_by_number, terms)
    turns: list[list[tuple[Caller, list[Attempt]]]] = [[], [], [], []]
    for caller, sent in by_key.items():
        attempts = [attempt for attempt in sent if attempt.operation.kind in MONEY_KINDS]
        if attempts:
            turns[_turn(attempts[0])].append((caller, attempts))
    for turn in turns:
        for caller, attempts in turn:
            happened = _happened(found, caller, attempts)
            if happened is not None and not _take(found, caller, attempts, happened):
                found.contradictions.append(f"{attempts[0]} moved money that no request with this key asked for")
    return Oracle(found.effects, found.expected_holds, found.unresolved, found.contradictions, found.unknown)


def _turn(attempt: Attempt) -> int:
    match attempt.operation.kind:
        case Kind.CAPTURE | Kind.RELEASE:
            return 1
        case Kind.REVERSE:
            return 3 if attempt.sent.amount is None else 2
        case _:
            return 0


def _happened(found: _Resolving, caller: Caller, attempts: Sequence[Attempt]) -> _Happened | None:
    """Return the effects of a key, or None if there is none, or if it cannot be determined."""
    for attempt in attempts:
        match attempt.answer:
            case Moved(transaction_id=id_):
                return _Happened((id_,), None, acknowledged=True)
            case Listed(items=items):
                ids = tuple(item.transaction_id if isinstance(item, Moved) else None for item in items)
                return _Happened(ids, None, acknowledged=True)
            case Held(hold=hold, moved=moved):
                return _Happened((moved.transaction_id if moved else None,), hold.hold_id, acknowledged=True)
    if not any(attempt.outcome in {"unknown", "error"} for attempt in attempts):
        return None
    found.unknown += all(attempt.outcome in {"unknown", "error"} for attempt in attempts)
    if found.database is None:
        found.unresolved.append(f"whether {attempts[0]} happened, since the database could not be read")
        return None
    row = found.database.keys.get((found.user_ids.get(caller[0], ""), caller[1]))
    return None if row is None else _booked(row)


def _booked(row: KeyRow) -> _Happened | None:
    """Return the effects in the row of a key, or None if its outcome is a refusal."""
    ids = row.listed or (row.transaction_id,)
    if row.hold_id is None and not any(ids):
        return None
    return _Happened(ids, row.hold_id, acknowledged=False)


def _take(found: _Resolving, caller: Caller, attempts: Sequence[Attempt], happened: _Happened) -> bool:
    """Note the effects that must have happened; return whether a request asked for them."""
    asked = _asked(found, attempts, happened)
    if asked is None:
        return False
    sent, kind = asked.sent, asked.operation.kind
    if kind is Kind.BATCH:
        pairs = zip(sent.items, happened.transaction_ids, strict=False)
        return len(sent.items) == len(happened.transaction_ids) and all(
            id_ is None
            or _note(
                found,
                caller,
                "TRANSFER",
                content_of(item, found.ids_by_number),
                transaction_id=id_,
                acknowledged=happened.acknowledged,
                description=item.text,
            )
            for item, id_ in pairs
        )
    if kind is Kind.AUTHORIZE:
        return _authorize(found, caller, sent, happened.hold_id)
    if kind in {Kind.CAPTURE, Kind.RELEASE}:
        return _end(found, caller, asked, happened)
    [id_] = happened.transaction_ids
    if kind is Kind.REVERSE:
        name, content = "REVERSAL", _taken_back(found, sent)
    else:
        name, content = NAMES[kind], content_of(sent, found.ids_by_number, to_outside=kind is Kind.WITHDRAW)
    return _note(
        found,
        caller,
        name,
        content,
        transaction_id=id_,
        acknowledged=happened.acknowledged,
        related_id=sent.about_id,
        description=sent.text,
    )


def _asked(found: _Resolving, attempts: Sequence[Attempt], happened: _Happened) -> Attempt | None:
    """Return the executed request of a key, because the key may have been sent with two contents."""
    if happened.acknowledged:
        return next(attempt for attempt in attempts if attempt.answer is not None)
    id_ = happened.transaction_ids[0]
    if attempts[0].operation.kind not in {Kind.TRANSFER, Kind.DEPOSIT} or id_ is None or found.database is None:
        return attempts[0]
    missing = TransactionRow(id_, "?", 0, "?", "?", "?")
    return next(_asked_for(attempts, found.database.transactions.get(id_, missing), found.ids_by_number), None)


def _asked_for(attempts: Sequence[Attempt], row: TransactionRow, ids_by_number: Mapping[str, str]) -> Iterator[Attempt]:
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


def _note(
    found: _Resolving,
    caller: Caller,
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
        caller,
        kind,
        *content,
        transaction_id,
        acknowledged,
        fee_minor=found.terms.fee_minor(kind),
        related_id=related_id,
        description=description,
    )
    found.effects.setdefault(transaction_id, effect)
    return True


def _authorize(found: _Resolving, caller: Caller, sent: Sent, hold_id: str | None) -> bool:
    content = content_of(sent, found.ids_by_number)
    if content is None or hold_id is None:
        return False
    found.expected_holds.setdefault(
        hold_id, ExpectedHold(caller, hold_id, *content, description=sent.text, expires_at=sent.expires_at)
    )
    return True


def _end(found: _Resolving, caller: Caller, asked: Attempt, happened: _Happened) -> bool:
    """Note the capture or release of a hold. A second end is a contradiction."""
    expected_hold = found.expected_holds.get(asked.sent.about_id or "")
    if expected_hold is None:
        return False
    if expected_hold.ended_by is not None:
        found.contradictions.append(f"{asked} ended a hold that had already ended")
        return True
    expected_hold.ended_by = caller
    if asked.operation.kind is Kind.RELEASE:
        return True
    amount = asked.sent.amount
    expected_hold.captured_minor = expected_hold.amount_minor if amount is None else minor(amount)
    content = (expected_hold.account_id, expected_hold.to_account_id, expected_hold.captured_minor)
    [id_] = happened.transaction_ids
    return _note(
        found,
        caller,
        "CAPTURE",
        content,
        transaction_id=id_,
        acknowledged=happened.acknowledged,
        related_id=expected_hold.hold_id,
        description=expected_hold.description,
    )


def _taken_back(found: _Resolving, sent: Sent) -> Content | None:
    """Return the reversal of a transaction, with the requested amount or the whole rest."""
    original = found.effects.get(sent.about_id or "")
    if original is None:
        return None
    amount_minor = original.amount_minor
    if sent.amount is not None:
        amount_minor = minor(sent.amount)
    else:
        amount_minor -= sum(
            e.amount_minor for e in found.effects.values() if e.kind == "REVERSAL" and e.related_id == sent.about_id
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
