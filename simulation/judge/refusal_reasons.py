"""Reasons of refusals, and reasons why a success should have been refused."""

from collections.abc import Iterator
from dataclasses import dataclass

from simulation.client.forms import minor
from simulation.judge.effects import OUTSIDE
from simulation.judge.evidence import Evidence
from simulation.judge.oracle import content_of
from simulation.judge.possible_states import Window
from simulation.model.answers import Listed
from simulation.model.attempts import Attempt, Sent
from simulation.model.numbers import reais
from simulation.model.operations import STATE_KINDS, Kind

TRANSACTION_KINDS = {Kind.TRANSFER: "TRANSFER", Kind.WITHDRAW: "WITHDRAWAL", Kind.BATCH: "TRANSFER"}


@dataclass(frozen=True, slots=True)
class Asked:
    """One decision of the bank, with the code of its refusal, or None for a success.

    `need_minor` is the required available balance, including fees. `counts_minor` counts against the limit per day of
    the debited account, and `largest_minor` is the largest single transfer.
    """

    code: str | None
    account_ids: tuple[str, ...]
    debit_id: str | None
    need_minor: int
    counts_minor: int = 0
    largest_minor: int = 0


def asked(evidence: Evidence, attempt: Attempt) -> Iterator[Asked]:
    """Yield the decisions of an answered request: one, or one for each item of a batch."""
    sent, possible = attempt.sent, evidence.possible_states
    match attempt.operation.kind:
        case Kind.TRANSFER | Kind.DEPOSIT | Kind.WITHDRAW | Kind.AUTHORIZE:
            yield from _moving(evidence, attempt, [sent], attempt.code)
        case Kind.BATCH:
            if isinstance(attempt.answer, Listed):
                for item, result in zip(sent.items, attempt.answer.items, strict=False):
                    yield from _moving(evidence, attempt, [item], result if isinstance(result, str) else None)
            else:
                yield from _moving(evidence, attempt, list(sent.items), attempt.code)
        case Kind.CAPTURE:
            if (expected_hold := possible.expected_hold(sent)) is not None:
                yield Asked(attempt.code, (expected_hold.account_id, expected_hold.to_account_id), None, 0)
        case Kind.RELEASE:
            yield Asked(attempt.code, (), None, 0)
        case Kind.REVERSE:
            if (original := possible.original(sent)) is not None:
                ids = tuple(id_ for id_ in (original.credit_id, original.debit_id) if id_ != OUTSIDE)
                need_minor = original.amount_minor if sent.amount is None else minor(sent.amount)
                yield Asked(attempt.code, ids, original.credit_id, need_minor)
        case Kind.CLOSE | Kind.FREEZE | Kind.UNFREEZE:
            yield Asked(attempt.code, (), sent.account_id, 0)


def _moving(evidence: Evidence, attempt: Attempt, items: list[Sent], code: str | None) -> Iterator[Asked]:
    kind = attempt.operation.kind
    contents = [content_of(item, evidence.ids_by_number, to_outside=kind is Kind.WITHDRAW) for item in items]
    known = [content for content in contents if content is not None]
    if not known or len(known) < len(contents):
        return
    amounts = [amount for _, _, amount in known]
    fee_minor = evidence.plan.terms.fee_minor(TRANSACTION_KINDS.get(kind, "")) * len(known)
    debit_id = None if kind is Kind.DEPOSIT else known[0][0]
    ids = {id_ for debit, credit, _ in known for id_ in (debit, credit)} - {OUTSIDE}
    counts = 0 if kind is Kind.DEPOSIT else sum(amounts)
    yield Asked(code, tuple(sorted(ids)), debit_id, sum(amounts) + fee_minor, counts, max(amounts) if counts else 0)


def wrong_refusal(evidence: Evidence, attempt: Attempt, one: Asked) -> str | None:
    """Return a sentence against a refusal, or None if its reason was possible."""
    possible, window = evidence.possible_states, evidence.possible_states.window(attempt)
    match one.code:
        case "INSUFFICIENT_FUNDS" if one.debit_id is not None:
            least = possible.available_at_least(one.debit_id, window)
            if least >= one.need_minor:
                need = reais(one.need_minor)
                return f"{need} refused for want of money; the account had {reais(least)} or more to spend"
        case "LIMIT_EXCEEDED" if one.debit_id is not None:
            limits = possible.limits(one.debit_id, window)
            spent = possible.spent_at_most(one.debit_id, window) + one.counts_minor
            if not any(one.largest_minor > once or spent > a_day for once, a_day in limits):
                return f"{reais(one.largest_minor)} refused as beyond a limit, and no limit can have been so low"
        case "ACCOUNT_FROZEN" | "ACCOUNT_CLOSED" as code:
            ids = (one.debit_id,) if attempt.operation.kind in STATE_KINDS else one.account_ids
            state = code.removeprefix("ACCOUNT_")
            if not any(state in possible.statuses(id_, window) for id_ in ids if id_ is not None):
                return f"refused with {code}, and no account in it can have been {state.lower()}"
        case "INVALID_INPUT" if attempt.sent.expires_at is not None:
            if possible.moment_ns(attempt.sent.expires_at) > window.end_ns:
                return "refused as too late, but the hold had not expired"
        case "ACCOUNT_NOT_EMPTY" if one.debit_id is not None:
            if not any(possible.balances(one.debit_id, window)):
                return "refused as not empty, and the account can have held nothing"
        case "HOLD_ENDED" | "CAPTURE_EXCEEDS_HOLD" | "NOT_REVERSIBLE" | "REVERSAL_EXCEEDS_ORIGINAL":
            return _wrong_end(evidence, attempt, window)
    return None


def _wrong_end(evidence: Evidence, attempt: Attempt, window: Window) -> str | None:
    possible, sent = evidence.possible_states, attempt.sent
    amount_minor = 0 if sent.amount is None else minor(sent.amount)
    expected_hold, original = possible.expected_hold(sent), possible.original(sent)
    match attempt.code:
        case "HOLD_ENDED":
            is_over = possible.expires_ns(sent.about_id or "") <= window.end_ns
            if not is_over and not possible.others_may_have_ended(attempt, window):
                return "refused as ended, and nothing can have ended the hold"
        case "CAPTURE_EXCEEDS_HOLD" if expected_hold is not None and amount_minor <= expected_hold.amount_minor:
            return f"{reais(amount_minor)} refused as more than the {reais(expected_hold.amount_minor)} that are held"
        case "NOT_REVERSIBLE" if original is not None and original.kind != "REVERSAL":
            if possible.reversed_at_most(attempt, window) < original.amount_minor:
                return "refused as reversed already, and there must be something left"
        case "REVERSAL_EXCEEDS_ORIGINAL" if original is not None:
            left = original.amount_minor - possible.reversed_at_most(attempt, window)
            if amount_minor <= left:
                return f"{reais(amount_minor)} refused as more than is left, which is {reais(left)} or more"
    return None


def unjustified(evidence: Evidence, attempt: Attempt, one: Asked) -> str | None:
    """Return why an executed request should have been refused, or None if it was possibly right."""
    possible, window = evidence.possible_states, evidence.possible_states.window(attempt)
    for id_ in one.account_ids:
        states = possible.statuses(id_, window)
        if "ACTIVE" not in states:
            return f"money moved, and account {id_} was {' or '.join(sorted(map(str, states))).lower()} all along"
    if one.debit_id is not None and one.counts_minor:
        limits, spent = possible.limits(one.debit_id, window), possible.spent_at_least(one.debit_id, window)
        if all(one.largest_minor > once for once, _ in limits):
            return f"{reais(one.largest_minor)} left the account, and its limit was lower all along"
        if all(spent + one.counts_minor > a_day for _, a_day in limits):
            return f"{reais(one.counts_minor)} left the account after {reais(spent)}, more than its limit of a day"
    if attempt.operation.kind in {Kind.FREEZE, Kind.UNFREEZE} and one.debit_id is not None:
        # The window ends before the request, because a later one includes its effect; a closed account stays closed.
        before = Window(window.begin_ns, window.begin_ns)
        if possible.statuses(one.debit_id, before) == {"CLOSED"}:
            return "the account was closed, and has another state now"
    if attempt.operation.kind is Kind.CLOSE and one.debit_id is not None:
        balances = possible.balances(one.debit_id, window)
        if balances and all(balances):
            return "the account was closed, and held money all along"
    if attempt.operation.kind in {Kind.CAPTURE, Kind.RELEASE}:
        if possible.expires_ns(attempt.sent.about_id or "") <= window.begin_ns:
            return "the hold was ended by a request that was sent after its expiry"
    elif attempt.sent.expires_at is not None and possible.moment_ns(attempt.sent.expires_at) <= window.begin_ns:
        return "money was held until a moment that was over when it was asked for"
    return None
