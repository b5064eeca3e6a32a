"""The books say what the oracle says: each account holds what the people's requests and the bank's answers add up to.

Outcomes of which nobody was told are taken from the books; amounts never are.
"""

from simulation.checks.tally import NO_FACTS, Tally, reais
from simulation.evidence import Evidence
from simulation.result import CheckResult

NAME = "balances_match_oracle"
TITLE = "Every account holds what requests and answers add up to"


def check(evidence: Evidence) -> CheckResult:
    """Compare every account, and the list of transactions, with what must have happened."""
    tally = Tally(NAME, TITLE)
    facts, oracle = evidence.facts, evidence.oracle
    for text in oracle.unresolved:
        tally.left_open(text)
    if facts is None:
        tally.left_open(NO_FACTS)
        return tally.result()
    for text in oracle.contradictions:
        tally.broke(text)
    expected = oracle.balances()
    for account in facts.accounts.values():
        tally.look()
        right = -oracle.paid_in_minor if account.kind == "CASH" else expected.get(account.id, 0)
        if account.balance_minor != right:
            tally.broke(
                f"account {account.number} holds {reais(account.balance_minor)}; "
                f"what was asked and answered adds up to {reais(right)}",
                abs(account.balance_minor - right),
            )
    for transaction in facts.transactions.values():
        tally.look()
        if transaction.id not in oracle.effects:
            text = f"transaction {transaction.id} of {reais(transaction.amount_minor)}"
            tally.broke(f"{text} is none that anybody asked for and was not refused", transaction.amount_minor)
    if oracle.unknown_outcomes:
        tally.note(f"{oracle.unknown_outcomes} unknown outcomes were resolved by the books")
    return tally.result()
