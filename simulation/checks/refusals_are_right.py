"""What is wrong is refused, for the right reason; what is refused for want of money did want it.

A refusal for insufficient funds is right if the account can have held less than the amount at some moment between the
request and the answer. Somebody else's account cannot be seen or debited, and a closed session's token opens nothing.
"""

from collections.abc import Mapping

from simulation.answers import Balance, MalformedAnswerError, minor
from simulation.checks.tally import NO_FACTS, Tally, reais
from simulation.evidence import Evidence
from simulation.history import Attempt
from simulation.plan import Intent, Kind, Operation
from simulation.result import CheckResult

NAME = "refusals_are_right"
TITLE = "What must be refused is, and nothing else"

MUST_BE_REFUSED: Mapping[Intent, frozenset[str]] = {
    Intent.ZERO_AMOUNT: frozenset({"INVALID_AMOUNT"}),
    Intent.NEGATIVE_AMOUNT: frozenset({"INVALID_AMOUNT"}),
    Intent.TOO_PRECISE: frozenset({"INVALID_AMOUNT"}),
    Intent.SAME_ACCOUNT: frozenset({"SAME_ACCOUNT"}),
    Intent.UNKNOWN_ACCOUNT: frozenset({"ACCOUNT_NOT_FOUND"}),
    Intent.MISTYPED_NUMBER: frozenset({"ACCOUNT_NOT_FOUND", "INVALID_INPUT", "BAD_INPUT"}),
    Intent.OTHER_CURRENCY: frozenset({"CURRENCY_MISMATCH", "BAD_INPUT"}),
    Intent.NOT_MINE: frozenset({"ACCOUNT_NOT_FOUND"}),
    Intent.CLOSED_TOKEN: frozenset({"UNAUTHENTICATED"}),
    Intent.NO_TOKEN: frozenset({"UNAUTHENTICATED"}),
    Intent.FORBIDDEN: frozenset({"FORBIDDEN"}),
    Intent.KEY_MISSING: frozenset({"BAD_INPUT"}),
    Intent.KEY_EMPTY: frozenset({"INVALID_INPUT"}),
    Intent.KEY_TOO_LONG: frozenset({"INVALID_INPUT"}),
    Intent.KEY_MALFORMED: frozenset({"INVALID_INPUT"}),
}
"""The codes with which a request that is wrong by intent may be refused."""

MAY_BE_REUSED = frozenset({Intent.CONFLICT, Intent.ALIAS, Intent.OTHER_MUTATION})
"""What is sent with a key that may stand for something else; `exactly_once` looks whether it does."""

ALWAYS_ALLOWED = frozenset({"OVERLOADED", "UNAUTHENTICATED"})
"""A full queue, or a session that was closed meanwhile: the person tries again."""


def allowed_codes(origin: Operation, operation: Operation) -> frozenset[str]:
    """Return the codes with which an operation may be refused, given the one that it repeats (or itself)."""
    wrong = MUST_BE_REFUSED.get(operation.intent) or MUST_BE_REFUSED.get(origin.intent)
    if wrong is not None:
        return wrong
    reused = frozenset({"IDEMPOTENCY_KEY_REUSED"}) if operation.intent in MAY_BE_REUSED else frozenset[str]()
    match operation.kind:
        case Kind.TRANSFER:
            return reused | {"INSUFFICIENT_FUNDS"}
        case Kind.OPEN_ACCOUNT:
            return reused | {"ACCOUNT_LIMIT_REACHED"}
        case Kind.REFRESH:
            return frozenset({"INVALID_REFRESH_TOKEN"})
        case _:
            return frozenset()


def check(evidence: Evidence) -> CheckResult:
    """Hold every refusal, and every success that should have been one, against the plan and the entries."""
    tally = Tally(NAME, TITLE)
    for attempt in evidence.attempts:
        operation = attempt.operation
        origin = evidence.origin(operation)
        must = MUST_BE_REFUSED.get(operation.intent) or MUST_BE_REFUSED.get(origin.intent)
        if attempt.outcome == "ok" and must is not None:
            tally.look()
            if not (operation.kind is Kind.BALANCE and attempt.answer == Balance(None, None)):
                tally.broke(f"{attempt}: {operation.intent} had to be refused, and the bank did it")
        elif attempt.outcome == "refused" and attempt.code is not None:
            tally.look()
            _refusal(evidence, attempt, attempt.code, allowed_codes(origin, operation), tally)
    return tally.result()


def _refusal(evidence: Evidence, attempt: Attempt, code: str, allowed: frozenset[str], tally: Tally) -> None:
    retried = attempt.number > 1 and attempt.operation.kind is Kind.REGISTER and code in {"EMAIL_TAKEN", "CPF_TAKEN"}
    if code not in allowed | ALWAYS_ALLOWED and not retried:
        expected = " or ".join(sorted(allowed)) or "a success"
        tally.broke(f"{attempt}: refused with {code} where {expected} was due")
    if code == "INSUFFICIENT_FUNDS":
        _wanted_money(evidence, attempt, tally)


def _wanted_money(evidence: Evidence, attempt: Attempt, tally: Tally) -> None:
    """Look at the balances between the key's first request and this answer: the decision fell in between."""
    timelines = evidence.timelines
    if timelines is None:
        tally.left_open(NO_FACTS)
        return
    timeline = timelines.accounts.get(attempt.sent.account_id or "")
    if timeline is None:
        return
    try:
        amount_minor = minor(attempt.sent.amount)
    except MalformedAnswerError:
        return
    same_key = evidence.by_key[(attempt.operation.person, attempt.operation.key or "")]
    oldest = timeline.newest_told(min(a.invoked_ns for a in same_key))
    newest = min(timeline.newest_possible(attempt.ended_ns), len(timeline.balances) - 1)
    lowest = min(timeline.balances[oldest : newest + 1], default=0)
    if lowest >= amount_minor:
        tally.broke(
            f"{attempt}: {reais(amount_minor)} refused for want of money; the account held {reais(lowest)} or more",
            lowest - amount_minor,
        )
