"""Every invalid request is refused for its reason, and no other request is refused.

A refusal is right if its reason can have been true at some moment between the request and the answer: a too small
available balance, a lower limit, a frozen account, an ended hold. A success is wrong if a reason against it was true
during the whole time. Reversals must not exceed their original together. A person cannot read or debit the account of
another person, and the token of a closed session is refused.
"""

from collections.abc import Mapping

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.judge.idempotency_rules import REUSED, may_be_stored_for_another
from simulation.judge.refusal_reasons import answered_commands, wrong_refusal, wrong_success
from simulation.model.answers import Balance, Page
from simulation.model.attempts import Attempt
from simulation.model.numbers import reais
from simulation.model.operations import Intent, Kind, Operation
from simulation.model.result import CheckResult

NAME = "refusals_are_right"
TITLE = "Every invalid request is refused, and no other request"

MUST_BE_REFUSED: Mapping[Intent, frozenset[str]] = {
    Intent.ZERO_AMOUNT: frozenset({"INVALID_AMOUNT"}),
    Intent.NEGATIVE_AMOUNT: frozenset({"INVALID_AMOUNT"}),
    Intent.TOO_PRECISE: frozenset({"INVALID_AMOUNT"}),
    Intent.SAME_ACCOUNT: frozenset({"SAME_ACCOUNT"}),
    Intent.UNKNOWN_ACCOUNT: frozenset({"ACCOUNT_NOT_FOUND"}),
    Intent.MISTYPED_NUMBER: frozenset({"ACCOUNT_NOT_FOUND", "INVALID_INPUT", "BAD_INPUT"}),
    Intent.OTHER_CURRENCY: frozenset({"CURRENCY_MISMATCH", "BAD_INPUT"}),
    Intent.NOT_MINE: frozenset({"ACCOUNT_NOT_FOUND", "TRANSACTION_NOT_FOUND", "HOLD_NOT_FOUND"}),
    Intent.CLOSED_TOKEN: frozenset({"UNAUTHENTICATED"}),
    Intent.NO_TOKEN: frozenset({"UNAUTHENTICATED"}),
    Intent.FORBIDDEN: frozenset({"FORBIDDEN"}),
    Intent.KEY_MISSING: frozenset({"BAD_INPUT"}),
    Intent.KEY_EMPTY: frozenset({"INVALID_INPUT"}),
    Intent.KEY_TOO_LONG: frozenset({"INVALID_INPUT"}),
    Intent.KEY_MALFORMED: frozenset({"INVALID_INPUT"}),
    Intent.EXCEEDS: frozenset({"REVERSAL_EXCEEDS_ORIGINAL", "NOT_REVERSIBLE", "CAPTURE_EXCEEDS_HOLD", "HOLD_ENDED"}),
}
"""The permitted codes for a request that is invalid by intent."""

STATE_REFUSALS = frozenset({"ACCOUNT_FROZEN", "ACCOUNT_CLOSED"})
DEBIT_REFUSALS = STATE_REFUSALS | {"INSUFFICIENT_FUNDS", "LIMIT_EXCEEDED"}

MAY_BE_REFUSED: Mapping[Kind, frozenset[str]] = {
    Kind.DEPOSIT: STATE_REFUSALS,
    Kind.TRANSFER: DEBIT_REFUSALS,
    Kind.WITHDRAW: DEBIT_REFUSALS,
    Kind.BATCH: DEBIT_REFUSALS,
    Kind.AUTHORIZE: DEBIT_REFUSALS,
    Kind.CAPTURE: STATE_REFUSALS | {"HOLD_ENDED"},
    Kind.RELEASE: frozenset({"HOLD_ENDED"}),
    Kind.REVERSE: STATE_REFUSALS | {"INSUFFICIENT_FUNDS", "NOT_REVERSIBLE", "REVERSAL_EXCEEDS_ORIGINAL"},
    Kind.CLOSE: frozenset({"ACCOUNT_FROZEN", "ACCOUNT_NOT_EMPTY"}),
    Kind.FREEZE: frozenset({"ACCOUNT_CLOSED"}),
    Kind.UNFREEZE: frozenset({"ACCOUNT_CLOSED"}),
    Kind.OPEN_ACCOUNT: frozenset({"ACCOUNT_LIMIT_REACHED"}),
    Kind.REFRESH: frozenset({"INVALID_REFRESH_TOKEN"}),
}
"""The permitted codes for a request that is valid by intent, so its refusal depends on the state of the bank."""

NOT_FOUND_ANSWERS = (Balance(None, None), Page(None, None, (), None))
"""The answers to a read of another person's account, the same as if it did not exist."""

ALWAYS_ALLOWED = frozenset({"OVERLOADED", "UNAUTHENTICATED"})
"""The codes of a full queue and of a session that was closed meanwhile, after which a person sends a retry."""


def allowed_codes(origin: Operation, operation: Operation) -> frozenset[str]:
    """Return the permitted codes of refusal for an operation. `origin` is the operation that it repeats, or itself."""
    wrong = MUST_BE_REFUSED.get(operation.intent) or MUST_BE_REFUSED.get(origin.intent)
    if wrong is not None:
        return wrong
    return MAY_BE_REFUSED.get(operation.kind, frozenset())


def check(evidence: Evidence) -> CheckResult:
    """Compare every refusal and every success with the intent in the plan and with the possible states."""
    builder = CheckResultBuilder(NAME, TITLE)
    if evidence.database is None:
        builder.mark_unknown(NO_DATABASE)
    for attempt in evidence.attempts:
        operation = attempt.operation
        origin = evidence.origin(operation)
        must = MUST_BE_REFUSED.get(operation.intent) or MUST_BE_REFUSED.get(origin.intent)
        if attempt.outcome == "ok":
            builder.examine()
            if must is not None and attempt.answer not in NOT_FOUND_ANSWERS:
                builder.add_violation(f"{attempt}: {operation.intent} had to be refused, but the bank executed it")
        elif attempt.outcome == "refused" and attempt.code is not None:
            builder.examine()
            too_late = frozenset({"INVALID_INPUT"}) if attempt.sent.expires_at is not None else frozenset[str]()
            if not (attempt.code == REUSED and _may_conflict(evidence, attempt)):
                _check_code(attempt, attempt.code, allowed_codes(origin, operation) | too_late, builder)
        if attempt.outcome in {"ok", "refused"} and evidence.database is not None:
            _check_reasons(evidence, attempt, builder)
    for original, last, taken_minor in evidence.possible_states.acknowledged_reversals():
        builder.examine()
        if taken_minor > original.amount_minor:
            text = f"of {reais(original.amount_minor)} a total of {reais(taken_minor)} was reversed"
            builder.add_violation(f"{last}: {text}", taken_minor - original.amount_minor)
    return builder.result()


def _may_conflict(evidence: Evidence, attempt: Attempt) -> bool:
    """Return whether the key may be stored for other content, also by a request that had no answer."""
    same_key = evidence.by_key.get((attempt.operation.person, attempt.operation.key or ""), ())
    return may_be_stored_for_another(attempt, same_key)


def _check_code(attempt: Attempt, code: str, allowed: frozenset[str], builder: CheckResultBuilder) -> None:
    if code not in allowed | ALWAYS_ALLOWED:
        expected = " or ".join(sorted(allowed)) or "a success"
        builder.add_violation(f"{attempt}: refused with {code} instead of {expected}")


def _check_reasons(evidence: Evidence, attempt: Attempt, builder: CheckResultBuilder) -> None:
    """Compare with the states that were possible between the first request with the key and this answer."""
    for command in answered_commands(evidence, attempt):
        wrong = (wrong_success if command.code is None else wrong_refusal)(evidence, attempt, command)
        if wrong is not None:
            builder.add_violation(f"{attempt}: {wrong}", command.required_minor)
