"""Everything that the bank has acknowledged exists at the end: users, accounts, holds and transactions."""

from simulation.checks.result_builder import NO_DATABASE, CheckResultBuilder
from simulation.judge.database_state import DatabaseState
from simulation.judge.evidence import Evidence
from simulation.model.answers import Acknowledgement, Hold, HoldReceipt, OpenedAccount, TransactionReceipt, receipts_in
from simulation.model.attempts import Attempt
from simulation.model.numbers import reais
from simulation.model.operations import Kind
from simulation.model.result import CheckResult

NAME = "acknowledged_is_durable"
TITLE = "Every acknowledged write is in the books, as it was answered"


def check(evidence: Evidence) -> CheckResult:
    """Compare all acknowledged writes with the database."""
    builder = CheckResultBuilder(NAME, TITLE)
    database = evidence.database
    if database is None:
        builder.mark_unknown(NO_DATABASE)
        return builder.result()
    for attempt in evidence.attempts:
        match attempt.answer:
            case Acknowledgement() if attempt.operation.kind is Kind.REGISTER:
                builder.examine()
                if attempt.operation.person not in evidence.user_ids:
                    builder.add_violation(f"{attempt}: the registration was accepted, but the books have no such user")
            case OpenedAccount(account_id=account_id):
                builder.examine()
                if account_id not in database.accounts:
                    builder.add_violation(f"{attempt}: the answer has account {account_id}, but the books do not")
            case HoldReceipt(hold=hold):
                builder.examine()
                _check_hold(attempt, hold, database, builder)
        for move in receipts_in(attempt.answer):
            builder.examine()
            _check_receipt(attempt, move, database, builder)
    return builder.result()


def _check_receipt(
    attempt: Attempt, answer: TransactionReceipt, database: DatabaseState, builder: CheckResultBuilder
) -> None:
    row = database.transactions.get(answer.transaction_id)
    if row is None:
        text = f"{attempt}: the answer has transaction {answer.transaction_id} of {reais(answer.amount_minor)}"
        builder.add_violation(f"{text}, but the books do not", answer.amount_minor)
        return
    if (row.kind, row.amount_minor) != (answer.transaction_kind, answer.amount_minor):
        builder.add_violation(
            f"{attempt}: the answer is a {answer.transaction_kind} of {reais(answer.amount_minor)}, "
            f"but the books have a {row.kind} of {reais(row.amount_minor)}",
            abs(row.amount_minor - answer.amount_minor),
        )
    if row.related_id != answer.related_id and attempt.operation.kind in {Kind.REVERSE, Kind.CAPTURE}:
        builder.add_violation(
            f"{attempt}: the answer relates the transaction to {answer.related_id}, the books to {row.related_id}"
        )
    own = row.credit_account_id if attempt.operation.kind is Kind.DEPOSIT else row.debit_account_id
    for account_id in (row.debit_account_id, row.credit_account_id):
        entry = next((e for e in database.entries.get(account_id, ()) if e.transaction_id == row.id), None)
        if entry is None:
            builder.add_violation(
                f"{attempt}: transaction {row.id} has no entry in account {account_id}", row.amount_minor
            )
        elif account_id == own and answer.balance_after_minor is not None:
            left_minor = entry.balance_after_minor - answer.fee_minor
            if left_minor != answer.balance_after_minor:
                builder.add_violation(
                    f"{attempt}: the balance after it is {reais(answer.balance_after_minor)} in the answer, "
                    f"but {reais(left_minor)} in the entry",
                    abs(left_minor - answer.balance_after_minor),
                )


def _check_hold(attempt: Attempt, hold: Hold, database: DatabaseState, builder: CheckResultBuilder) -> None:
    """Compare a hold with its row, in which only its end may be different."""
    row = database.holds.get(hold.hold_id)
    if row is None:
        builder.add_violation(f"{attempt}: the answer has hold {hold.hold_id}, but the books do not", hold.amount_minor)
    elif hold.status not in {"AUTHORIZED", row.status}:
        builder.add_violation(f"{attempt}: hold {row.id} is {hold.status} in the answer, but {row.status} in the books")
    elif row.amount_minor != hold.amount_minor or hold.captured_minor not in {0, row.captured_minor}:
        builder.add_violation(
            f"{attempt}: the amounts of hold {row.id} differ between answer and books", row.amount_minor
        )
