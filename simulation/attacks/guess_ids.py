"""Id guessing: every operation that takes an id, with the id of somebody else and with one that does not exist.

The answers must be equal, so that they do not tell which ids exist (OWASP API Security Top 10 2023, API1). The ids of
others are real ones, because no rule of the bank may depend on ids that nobody can guess.
"""

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from random import Random
from types import MappingProxyType
from uuid import UUID

import msgspec

from simulation.attacks.record import AttackRecorder
from simulation.model.answers import HoldReceipt, TransactionReceipt
from simulation.model.operations import CURRENCY
from simulation.plan.values import draw_key

OF_OTHERS = "the id of somebody else"
OF_NOBODY = "an id that does not exist"

WEIGHTS = (5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)
"""The weights of the digits of an account number, for its check digit."""


@dataclass(frozen=True, slots=True)
class Ids:
    """An id of each kind, of somebody else or of nobody, and the number of the attacker's own account."""

    account: str
    number: str
    hold: str
    transaction: str
    session: str
    user: str
    own_number: str
    key: str = ""


@dataclass(frozen=True, slots=True)
class Guess:
    """An operation that takes an id: its variables, and the expected codes. A read without codes must be null."""

    variables: Callable[[Ids], Mapping[str, object]]
    expected: frozenset[str] = frozenset()


def _money() -> dict[str, str]:
    return {"amount": "1.00", "currency": CURRENCY}


def _input(fields: Callable[[Ids], Mapping[str, object]], *expected: str) -> Guess:
    return Guess(lambda ids: {"input": fields(ids)}, frozenset(expected))


def _read(**more: object) -> Guess:
    return Guess(lambda ids: {"id": ids.account, **more})


def _statement(ids: Ids) -> Mapping[str, object]:
    now = datetime.now(UTC)
    at, since = (moment.isoformat().replace("+00:00", "Z") for moment in (now, now - timedelta(seconds=5)))
    return {"id": ids.account, "at": at, "from": since, "to": at, "first": 10}


def _days(ids: Ids) -> Mapping[str, object]:
    today = datetime.now(UTC).date().isoformat()
    return {"id": ids.account, "from": today, "to": today}


def _posting(ids: Ids) -> Mapping[str, object]:
    return {"fromAccountId": ids.account, "toAccountNumber": ids.own_number, "amount": _money()}


GUESSES: Mapping[str, Guess] = MappingProxyType(
    {
        "AccountBalance": _read(),
        "AccountHistory": _read(first=10),
        "AccountHolds": _read(),
        "AccountHoldPage": _read(first=10),
        "AccountLimits": _read(),
        "AccountStatement": Guess(_statement),
        "AccountDays": Guess(_days),
        "AuditLogs": Guess(lambda ids: {"entityId": ids.user, "limit": 10}, frozenset({"FORBIDDEN"})),
        "Transfer": _input(lambda ids: {"idempotencyKey": ids.key, **_posting(ids)}, "ACCOUNT_NOT_FOUND"),
        "TransferTwice": Guess(
            lambda ids: {
                "one": {"idempotencyKey": ids.key, **_posting(ids)},
                "two": {"idempotencyKey": f"{ids.key}-2", **_posting(ids)},
            },
            frozenset({"ACCOUNT_NOT_FOUND"}),
        ),
        "TransferBatch": _input(
            lambda ids: {"idempotencyKey": ids.key, "atomic": True, "transfers": [_posting(ids)]}, "ACCOUNT_NOT_FOUND"
        ),
        "Withdraw": _input(
            lambda ids: {"idempotencyKey": ids.key, "accountNumber": ids.number, "amount": _money()},
            "ACCOUNT_NOT_FOUND",
        ),
        "AuthorizeHold": _input(lambda ids: {"idempotencyKey": ids.key, **_posting(ids)}, "ACCOUNT_NOT_FOUND"),
        "CaptureHold": _input(lambda ids: {"idempotencyKey": ids.key, "holdId": ids.hold}, "HOLD_NOT_FOUND"),
        "ReleaseHold": _input(lambda ids: {"idempotencyKey": ids.key, "holdId": ids.hold}, "HOLD_NOT_FOUND"),
        "ReverseTransaction": _input(
            lambda ids: {"idempotencyKey": ids.key, "transactionId": ids.transaction}, "TRANSACTION_NOT_FOUND"
        ),
        "CloseAccount": _input(lambda ids: {"accountId": ids.account}, "ACCOUNT_NOT_FOUND"),
        "Deposit": _input(
            lambda ids: {"idempotencyKey": ids.key, "accountNumber": ids.number, "amount": _money()}, "FORBIDDEN"
        ),
        "FreezeAccount": _input(lambda ids: {"accountNumber": ids.number, "reason": "mine"}, "FORBIDDEN"),
        "UnfreezeAccount": _input(lambda ids: {"accountNumber": ids.number, "reason": "mine"}, "FORBIDDEN"),
        "SetAccountLimits": _input(
            lambda ids: {"accountNumber": ids.number, "perTransfer": _money(), "perDay": _money()}, "FORBIDDEN"
        ),
        # Customers have no use for the id of a request of staff, so that any id is as good as a real one.
        "Approval": Guess(lambda ids: {"id": ids.transaction}, frozenset({"FORBIDDEN"})),
        "Approve": _input(lambda ids: {"idempotencyKey": ids.key, "approvalId": ids.transaction}, "FORBIDDEN"),
        "Reject": _input(lambda ids: {"approvalId": ids.transaction, "reason": "mine"}, "FORBIDDEN"),
        "RevokeSession": Guess(lambda ids: {"id": ids.session}, frozenset({"SESSION_NOT_FOUND"})),
    }
)
"""The operations that take an id or an account number, by document."""


async def guess_ids(recorder: AttackRecorder) -> None:
    """Send every operation twice, and compare nothing: the twins are for the check."""
    random = Random(f"{recorder.plan.seed} ids of attack {recorder.attack.index}")
    of_others, token = _ids_of_others(recorder), recorder.tokens.token(recorder.attack.attacker)
    if of_others is None or token is None:
        return
    for document, guess in GUESSES.items():
        for step, ids in ((OF_OTHERS, of_others), (OF_NOBODY, _ids_of_nobody(random, of_others))):
            await recorder.send(
                step,
                document,
                guess.variables(replace(ids, key=draw_key(random))),
                token=token,
                expected=guess.expected,
                twin=document,
                operations=2 if document == "TransferTwice" else 1,
            )


def _ids_of_others(recorder: AttackRecorder) -> Ids | None:
    """Return ids of the victim, and of a hold and a transaction of others; None if something does not exist yet.

    Without holds, as in a run without a warm-up, the id of the transaction stands for that of a hold.
    """
    victim, attacker = recorder.attack.victim, recorder.attack.attacker
    own, theirs = (
        next(
            (recorder.accounts[a.index] for a in recorder.plan.accounts_of(person) if a.index in recorder.accounts),
            None,
        )
        for person in (attacker, victim)
    )
    answers = [attempt.answer for attempt in recorder.attempts if attempt.operation.person != attacker]
    hold = next((a.hold.hold_id for a in reversed(answers) if isinstance(a, HoldReceipt)), None)
    moved = next((a.transaction_id for a in reversed(answers) if isinstance(a, TransactionReceipt)), None)
    claims = claims_of(recorder.tokens.token(victim))
    if own is None or theirs is None or moved is None or claims is None:
        return None
    return Ids(
        theirs.account_id,
        theirs.number,
        hold or moved,
        moved,
        str(claims["sid"]),
        str(claims["sub"]),
        own.number,
    )


def _ids_of_nobody(random: Random, others: Ids) -> Ids:
    """Draw ids in the form of those of others. The branch of the account number is the same."""
    ids = (
        id_like(random, id_) for id_ in (others.account, others.hold, others.transaction, others.session, others.user)
    )
    account, hold, transaction, session, user = ids
    number = account_number(others.number[:4], random.randrange(50_000_000, 99_999_999))
    return Ids(account, number, hold, transaction, session, user, others.own_number)


def id_like(random: Random, id_: str) -> str:
    """Return a UUIDv7 of the same time, with other random bits."""
    return str(UUID(int=(UUID(id_).int >> 62 << 62) | random.getrandbits(62)))


def account_number(branch: str, sequence: int) -> str:
    """Return an account number with its check digit."""
    digits = f"{branch}{sequence:08}"
    check = -sum(weight * int(digit) for weight, digit in zip(WEIGHTS, digits, strict=True)) % 11
    return f"{digits[:4]}/{digits[4:]}-{'X' if check == 10 else check}"


def claims_of(token: str | None) -> Mapping[str, object] | None:
    """Return the claims of an access token, which everybody can read."""
    if token is None:
        return None
    payload = token.split(".")[1]
    claims: Mapping[str, object] = msgspec.json.decode(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return claims
