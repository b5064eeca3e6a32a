"""Money is neither created nor lost, at every moment at which somebody read it.

The accounts of a household only trade with each other. So their sum in one answer is always the money that was paid
in, from the cache or not, and during any number of transfers. All accounts, with those of the bank itself, sum to
zero in each snapshot of the database.
"""

from collections import defaultdict

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.effects import OUTSIDE
from simulation.judge.evidence import Evidence
from simulation.model.answers import Balances
from simulation.model.numbers import reais
from simulation.model.operations import Kind
from simulation.model.people import Role
from simulation.model.result import CheckResult

NAME = "conservation"
TITLE = "Money is neither created nor lost, in any answer or snapshot"


def check(evidence: Evidence) -> CheckResult:
    """Calculate the sums of every answer of a household and of every snapshot of the ledger."""
    builder = CheckResultBuilder(NAME, TITLE)
    _check_households(evidence, builder)
    for snapshot in evidence.snapshots:
        builder.examine()
        for what, sums in (("balances", snapshot.balances_minor), ("entries", snapshot.entries_minor)):
            for currency, total in sums.items():
                if total:
                    text = f"{snapshot.at_s:.1f} s: all {what} in {currency} add up to {total / 100:.2f}, not to zero"
                    builder.add_violation(text, abs(total))
        for stray in snapshot.strays:
            builder.add_violation(f"{snapshot.at_s:.1f} s: {stray}")
    return builder.result()


def _check_households(evidence: Evidence, builder: CheckResultBuilder) -> None:
    paid_in = _deposits_by_household(evidence)
    for attempt in evidence.attempts:
        operation = attempt.operation
        if (
            operation.phase not in {"drive", "overtime"}
            or operation.kind is not Kind.ME
            or operation.person not in paid_in
        ):
            continue
        if isinstance(attempt.answer, Balances):
            builder.examine()
            total, right = sum(attempt.answer.balances.values()), paid_in[operation.person]
            if total != right:
                text = f"{attempt}: the household's accounts add up to {reais(total)}; {reais(right)} was paid in"
                builder.add_violation(text, abs(total - right))


def _deposits_by_household(evidence: Evidence) -> dict[int, int]:
    """Return the sum of the deposits of each household, without those whose sum cannot be determined."""
    sums: dict[int, int] = defaultdict(int)
    for effect in evidence.oracle.effects.values():
        owner = evidence.people_by_account.get(effect.credit_id)
        if effect.debit_id == OUTSIDE and owner is not None and owner.role is Role.HOUSEHOLD:
            sums[owner.index] += effect.amount_minor
    if evidence.database is None:
        for attempt in evidence.attempts:
            account = attempt.operation.account
            if attempt.operation.kind is Kind.DEPOSIT and attempt.outcome != "ok" and account is not None:
                sums.pop(evidence.plan.accounts[account].person, None)
    return dict(sums)
