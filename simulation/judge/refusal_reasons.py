"""Reasons of refusals, and reasons why a success should have been refused."""

from collections.abc import Iterator
from dataclasses import dataclass

from simulation.client.value_types import minor
from simulation.judge.effects import OUTSIDE
from simulation.judge.evidence import Evidence
from simulation.judge.oracle import content_of
from simulation.judge.request_times import Window
from simulation.model.answers import BatchReceipt
from simulation.model.attempts import Attempt, Sent
from simulation.model.numbers import reais
from simulation.model.operations import STATE_KINDS, Kind

TRANSACTION_KINDS = {Kind.TRANSFER: "TRANSFER", Kind.WITHDRAW: "WITHDRAWAL", Kind.BATCH: "TRANSFER"}


@dataclass(frozen=True, slots=True)
class AnsweredCommand:
    """One command that the bank answered, with the code of its refusal, or None for a success.

    `required_minor` is the required available balance, including fees. `counted_minor` counts against the limit per day
    of the debited account, and `largest_minor` is the largest single transfer.
    """

    code: str | None
    account_ids: tuple[str, ...]
    debit_id: str | None
    required_minor: int
    counted_minor: int = 0
    largest_minor: int = 0


def answered_commands(evidence: Evidence, attempt: Attempt) -> Iterator[AnsweredCommand]:
    """Yield the commands of an answered request: one, or one for each item of a batch."""
    sent, possible = attempt.sent, evidence.possible_states
    match attempt.operation.kind:
        case Kind.TRANSFER | Kind.DEPOSIT | Kind.WITHDRAW | Kind.AUTHORIZE:
            yield from _money_commands(evidence, attempt, [sent], attempt.code)
        case Kind.BATCH:
            if isinstance(attempt.answer, BatchReceipt):
                for item, result in zip(sent.items, attempt.answer.items, strict=False):
                    yield from _money_commands(evidence, attempt, [item], result if isinstance(result, str) else None)
            else:
                yield from _money_commands(evidence, attempt, list(sent.items), attempt.code)
        case Kind.CAPTURE:
            if (expected_hold := evidence.possible_holds.named_by(sent)) is not None:
                yield AnsweredCommand(attempt.code, (expected_hold.account_id, expected_hold.to_account_id), None, 0)
        case Kind.RELEASE:
            yield AnsweredCommand(attempt.code, (), None, 0)
        case Kind.REVERSE:
            if (original := possible.original(sent)) is not None:
                ids = tuple(id_ for id_ in (original.credit_id, original.debit_id) if id_ != OUTSIDE)
                required_minor = original.amount_minor if sent.amount is None else minor(sent.amount)
                yield AnsweredCommand(attempt.code, ids, original.credit_id, required_minor)
        case Kind.CLOSE | Kind.FREEZE | Kind.UNFREEZE:
            yield AnsweredCommand(attempt.code, (), sent.account_id, 0)


def _money_commands(
    evidence: Evidence, attempt: Attempt, items: list[Sent], code: str | None
) -> Iterator[AnsweredCommand]:
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
    yield AnsweredCommand(
        code, tuple(sorted(ids)), debit_id, sum(amounts) + fee_minor, counts, max(amounts) if counts else 0
    )


def wrong_refusal(evidence: Evidence, attempt: Attempt, command: AnsweredCommand) -> str | None:
    """Return a sentence against a refusal, or None if its reason was possible."""
    possible, window = evidence.possible_states, evidence.request_times.window(attempt)
    match command.code:
        case "INSUFFICIENT_FUNDS" if command.debit_id is not None:
            least = possible.available_at_least(command.debit_id, window)
            if least >= command.required_minor:
                need = reais(command.required_minor)
                return f"{need} refused for insufficient funds, but at least {reais(least)} was available"
        case "LIMIT_EXCEEDED" if command.debit_id is not None:
            limits = possible.limits(command.debit_id, window)
            spent = possible.spent_at_most(command.debit_id, window) + command.counted_minor
            if not any(command.largest_minor > once or spent > a_day for once, a_day in limits):
                return f"{reais(command.largest_minor)} refused because of a limit, but every possible limit was higher"
        case "ACCOUNT_FROZEN" | "ACCOUNT_CLOSED" as code:
            ids = (command.debit_id,) if attempt.operation.kind in STATE_KINDS else command.account_ids
            state = code.removeprefix("ACCOUNT_")
            if not any(state in possible.statuses(id_, window) for id_ in ids if id_ is not None):
                return f"refused with {code}, but none of its accounts was possibly {state.lower()}"
        case "INVALID_INPUT" if attempt.sent.expires_at is not None:
            if evidence.request_times.moment_ns(attempt.sent.expires_at) > window.end_ns:
                return "refused because of its expiry, but this was still in the future"
        case "ACCOUNT_NOT_EMPTY" if command.debit_id is not None:
            if not any(possible.balances(command.debit_id, window)):
                return "refused because the account is not empty, but its balance was certainly zero"
        case "HOLD_ENDED" | "CAPTURE_EXCEEDS_HOLD" | "NOT_REVERSIBLE" | "REVERSAL_EXCEEDS_ORIGINAL":
            return _wrong_end_or_reversal(evidence, attempt, window)
    return None


def _wrong_end_or_reversal(evidence: Evidence, attempt: Attempt, window: Window) -> str | None:
    possible, sent = evidence.possible_states, attempt.sent
    amount_minor = 0 if sent.amount is None else minor(sent.amount)
    expected_hold, original = evidence.possible_holds.named_by(sent), possible.original(sent)
    match attempt.code:
        case "HOLD_ENDED":
            is_over = evidence.possible_holds.expires_ns(sent.about_id or "") <= window.end_ns
            if not is_over and not evidence.possible_holds.others_may_have_ended(attempt, window):
                return "refused because the hold had ended, but nothing can have ended it"
        case "CAPTURE_EXCEEDS_HOLD" if expected_hold is not None and amount_minor <= expected_hold.amount_minor:
            return f"{reais(amount_minor)} refused as more than the hold, which is {reais(expected_hold.amount_minor)}"
        case "NOT_REVERSIBLE" if original is not None and original.kind != "REVERSAL":
            if possible.reversed_at_most(attempt, window) < original.amount_minor:
                return "refused because the transaction was reversed, but a part of it was certainly not reversed"
        case "REVERSAL_EXCEEDS_ORIGINAL" if original is not None:
            left = original.amount_minor - possible.reversed_at_most(attempt, window)
            if amount_minor <= left:
                return f"{reais(amount_minor)} refused as more than the rest, which is at least {reais(left)}"
    return None


def wrong_success(evidence: Evidence, attempt: Attempt, command: AnsweredCommand) -> str | None:
    """Return why an executed request should have been refused, or None if it was possibly right."""
    possible, window = evidence.possible_states, evidence.request_times.window(attempt)
    for id_ in command.account_ids:
        states = possible.statuses(id_, window)
        if "ACTIVE" not in states:
            names = " or ".join(sorted(map(str, states))).lower()
            return f"money moved, but account {id_} was {names} during the whole request"
    if command.debit_id is not None and command.counted_minor:
        limits, spent = possible.limits(command.debit_id, window), possible.spent_at_least(command.debit_id, window)
        if all(command.largest_minor > once for once, _ in limits):
            return f"{reais(command.largest_minor)} was debited, but the limit was lower during the whole request"
        if all(spent + command.counted_minor > a_day for _, a_day in limits):
            return (
                f"{reais(command.counted_minor)} was debited after {reais(spent)}, which is more than the limit per day"
            )
    if attempt.operation.kind in {Kind.FREEZE, Kind.UNFREEZE} and command.debit_id is not None:
        # The window ends before the request, because a later one includes its effect; a closed account stays closed.
        before = Window(window.begin_ns, window.begin_ns)
        if possible.statuses(command.debit_id, before) == {"CLOSED"}:
            return "the account was closed, but has another state now"
    if attempt.operation.kind is Kind.CLOSE and command.debit_id is not None:
        balances = possible.balances(command.debit_id, window)
        if balances and all(balances):
            return "the account was closed, but its balance was never zero"
    if attempt.operation.kind in {Kind.CAPTURE, Kind.RELEASE}:
        if evidence.possible_holds.expires_ns(attempt.sent.about_id or "") <= window.begin_ns:
            return "the hold was ended by a request that was sent after its expiry"
    elif (
        attempt.sent.expires_at is not None
        and evidence.request_times.moment_ns(attempt.sent.expires_at) <= window.begin_ns
    ):
        return "the requested expiry of the hold was before the request"
    return None
