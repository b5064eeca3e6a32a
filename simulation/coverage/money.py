"""Coverage of money: the ways in which a run moves money, holds it, or refuses to move it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from simulation.judge.evidence import Evidence
from simulation.judge.refusal_reasons import answered_commands
from simulation.model.answers import BatchReceipt, HoldReceipt
from simulation.model.operations import MONEY_KINDS, Kind

Count = Callable[[Evidence], int]


def _succeeded(kind: Kind, status: str | None = None) -> Count:
    """Count the successes of this kind, of which the account or hold is then in this state."""

    def count(evidence: Evidence) -> int:
        done = [
            a.answer for a in evidence.attempts if a.operation.kind is kind and a.outcome == "ok" and not a.replayed
        ]
        return sum(status in {None, getattr(answer, "status", None)} for answer in done)

    return count


def _refused(code: str, *kinds: Kind) -> Count:
    return lambda evidence: sum(
        a.outcome == "refused" and a.code == code and a.operation.kind in (kinds or MONEY_KINDS)
        for a in evidence.attempts
    )


def _batches(evidence: Evidence, *, whole: bool) -> int:
    """Count the batches of which all items succeeded, or with `whole` false, some succeeded and some were refused."""
    batches = [a.answer.items for a in evidence.attempts if isinstance(a.answer, BatchReceipt) and not a.replayed]
    refused = [[isinstance(item, str) for item in items] for items in batches]
    return sum(not any(items) if whole else any(items) and not all(items) for items in refused)


def _captured_in_part(evidence: Evidence) -> int:
    holds = [a.answer.hold for a in evidence.attempts if isinstance(a.answer, HoldReceipt) and not a.replayed]
    return sum(hold.status == "CAPTURED" and hold.captured_minor < hold.amount_minor for hold in holds)


def _expired(evidence: Evidence) -> int:
    return sum(hold.status == "EXPIRED" for hold in evidence.database.holds.values()) if evidence.database else 0


def _refused_by_hold(evidence: Evidence) -> int:
    """Count the refused payments that the balance covers, but the available balance does not."""
    refused = [a for a in evidence.attempts if a.code == "INSUFFICIENT_FUNDS" and not a.replayed]
    found = 0
    for attempt in refused:
        for command in answered_commands(evidence, attempt):
            if command.debit_id is not None:
                balances = evidence.possible_states.balances(command.debit_id, evidence.request_times.window(attempt))
                found += min(balances, default=0) >= command.required_minor
    return found


def _fees(evidence: Evidence) -> int:
    return sum(effect.fee_minor > 0 for effect in evidence.oracle.effects.values())


MONEY_COVERAGE: Mapping[str, tuple[str, Count]] = MappingProxyType(
    {
        "withdrawals": ("Withdrawals accepted", _succeeded(Kind.WITHDRAW)),
        "batches_executed_whole": (
            "Transfer batches executed as a whole",
            lambda evidence: _batches(evidence, whole=True),
        ),
        "batches_executed_in_part": (
            "Transfer batches executed in part",
            lambda evidence: _batches(evidence, whole=False),
        ),
        "batches_refused_whole": (
            "Transfer batches refused because of one item",
            _refused("INSUFFICIENT_FUNDS", Kind.BATCH),
        ),
        "holds_authorized": ("Holds authorized", _succeeded(Kind.AUTHORIZE)),
        "holds_captured": ("Holds captured", _succeeded(Kind.CAPTURE)),
        "holds_captured_in_part": ("Holds captured in part", _captured_in_part),
        "holds_released": ("Holds released", _succeeded(Kind.RELEASE)),
        "holds_expired": ("Holds expired", _expired),
        "held_money_refused": ("Payments refused because the money was held", _refused_by_hold),
        "holds_ended_already": ("Captures and releases refused because the hold had ended", _refused("HOLD_ENDED")),
        "captures_beyond_the_hold": ("Captures refused because they exceed the hold", _refused("CAPTURE_EXCEEDS_HOLD")),
        "reversals": ("Reversals accepted", _succeeded(Kind.REVERSE)),
        "reversals_beyond_the_original": (
            "Reversals refused because they exceed the original",
            _refused("REVERSAL_EXCEEDS_ORIGINAL"),
        ),
        "reversals_too_many": ("Reversals refused because the transaction was reversed", _refused("NOT_REVERSIBLE")),
        "fees": ("Transactions with a fee", _fees),
        "accounts_frozen": ("Accounts frozen", _succeeded(Kind.FREEZE, "FROZEN")),
        "accounts_closed": ("Accounts closed", _succeeded(Kind.CLOSE, "CLOSED")),
        "accounts_not_empty": (
            "Closings refused because the account has money",
            _refused("ACCOUNT_NOT_EMPTY", Kind.CLOSE),
        ),
        "refused_while_frozen": ("Postings refused on frozen accounts", _refused("ACCOUNT_FROZEN")),
        "refused_when_closed": ("Postings refused on closed accounts", _refused("ACCOUNT_CLOSED")),
        "refused_beyond_limits": ("Postings refused because of a limit", _refused("LIMIT_EXCEEDED")),
        "statements": ("Statements", _succeeded(Kind.STATEMENT)),
        "holdings": ("Answers with all holds of an account", _succeeded(Kind.HOLDS)),
    }
)
"""The coverage of money by name: its title and its count."""
