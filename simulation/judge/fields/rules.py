"""The table of rules: one for each field of each object type of the contract.

`tests/unit/simulation/test_simulation_fields.py` compares the table with the schema, so every field has a rule.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from simulation.judge.fields.books import Between, Instant, Money, OneOf, instant
from simulation.judge.fields.node import AnswerNode
from simulation.model.operations import Kind
from simulation.model.people import punctuated

Rule = Callable[[AnswerNode], object]


def _column(name: str) -> Rule:
    return lambda node: node.row[name]


def _moment(name: str) -> Rule:
    return lambda node: Instant(instant(node.row[name]))


def _money(name: str) -> Rule:
    return lambda node: Money(node.row[name], node.row["currency"])


def _number(name: str) -> Rule:
    return lambda node: node.books.number(node.row[name])


def _status(node: AnswerNode) -> object:
    kind = node.attempt.operation.kind
    if kind is Kind.OPEN_ACCOUNT:
        return "ACTIVE"
    possible = node.books.evidence.possible_states
    return OneOf(frozenset(possible.statuses(node.shown["id"], node.books.window(node.attempt))))


def _balance(node: AnswerNode) -> object:
    if node.attempt.operation.kind is Kind.OPEN_ACCOUNT:
        return Money(0)
    balances = node.books.evidence.possible_states.balances(node.shown["id"], node.books.window(node.attempt))
    return OneOf(frozenset(Money(balance) for balance in balances))


def _held(node: AnswerNode) -> object:
    return node.books.held_bounds(node.shown["id"], node.books.window(node.attempt))


def _available(node: AnswerNode) -> object:
    """Return the balance minus the amount held, both from the same answer."""
    if "balance" not in node.shown or "heldBalance" not in node.shown:
        return ANYTHING
    return Money(minor_of(node.shown["balance"]) - minor_of(node.shown["heldBalance"]))


def _hold_status(node: AnswerNode) -> object:
    """Return the state after a mutation; for a read, the states before and after the end of the hold."""
    status_after = {Kind.AUTHORIZE: "AUTHORIZED", Kind.CAPTURE: "CAPTURED", Kind.RELEASE: "RELEASED"}
    if status := status_after.get(node.attempt.operation.kind):
        return status
    return OneOf(frozenset({"AUTHORIZED", node.row["status"]}))


def _captured(node: AnswerNode) -> object:
    is_over = node.shown.get("status") == "CAPTURED"
    return Money(node.row["captured_minor"] if is_over else 0, node.row["currency"])


def _limit(which: int) -> Rule:
    def rule(node: AnswerNode) -> object:
        limits = node.books.evidence.possible_states.limits(node.account_id, node.books.window(node.attempt))
        return OneOf(frozenset(Money(pair[which]) for pair in limits))

    return rule


def _remaining_today(node: AnswerNode) -> object:
    possible, window = node.books.evidence.possible_states, node.books.window(node.attempt)
    a_day = minor_of(node.shown["perDay"])
    least = a_day - possible.spent_at_most(node.account_id, window)
    return Between(max(0, least), max(0, a_day - possible.spent_at_least(node.account_id, window)))


def _fee(node: AnswerNode) -> object:
    if node.shown.get("transaction") is None:
        return None
    kind = {"WithdrawPayload": "WITHDRAWAL"}.get(node.type_name, "TRANSFER")
    return Money(node.books.evidence.plan.terms.fee_minor(kind))


def _available_after(node: AnswerNode) -> object:
    """Return the available balances that were possible in the batch that decided the request."""
    hold = node.shown.get("hold")
    row = None if hold is None else node.books.row("holds", hold["id"])
    if row is None:
        return None
    status_after = node.attempt.operation.kind is Kind.AUTHORIZE
    at = instant(row["created_at" if status_after else "ended_at"])
    balances, held = node.books.possible_balances_at(str(row["account_id"]), round(at.timestamp() * 1e6))
    return OneOf(frozenset(Money(balance - some) for balance in balances for some in held))


def _cpf(node: AnswerNode) -> object:
    cpf = node.row["cpf"]
    return None if cpf is None else punctuated(cpf)


def _text_of(name: str) -> Rule:
    return lambda node: str(node.row[name])


def _hash(node: AnswerNode) -> object:
    return str(node.row["hash"]).removeprefix("\\x")


class _Anything:
    """The expected value of a field that another rule or another check examines."""


ANYTHING = _Anything()


def _anything(_place: AnswerNode) -> object:
    return ANYTHING


def minor_of(shown: Mapping[str, str]) -> int:
    """Return an amount of an answer in minor units."""
    return int(shown["amount"].replace(".", ""))


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "Account.id": _column("id"),
        "Account.number": _column("number"),
        "Account.currency": _column("currency"),
        "Account.status": _status,
        "Account.balance": _balance,
        "Account.availableBalance": _available,
        "Account.heldBalance": _held,
        "Account.createdAt": _moment("created_at"),
        "Account.balanceAt": _anything,  # `reads_match_entries` compares answers about the past with the entries
        "AccountLimits.perTransfer": _limit(0),
        "AccountLimits.perDay": _limit(1),
        "AccountLimits.leftToday": _remaining_today,
        "AccountStatement.openingBalance": _anything,  # as above
        "AccountStatement.closingBalance": _anything,
        "AccountDay.day": _anything,  # `shapes` compares all days at once with the entries
        "AccountDay.debits": _anything,
        "AccountDay.debited": _anything,
        "AccountDay.credits": _anything,
        "AccountDay.credited": _anything,
        "AccountDay.closingBalance": _anything,
        "AccountTransactionEdge.cursor": _anything,  # `pages` and `reads_match_entries` compare the lines
        "AccountTransactionEdge.change": _anything,
        "AccountTransactionEdge.balanceAfter": _anything,
        "OpenAccountPayload.replayed": _anything,  # `exactly_once` determines which answer is the first
        "HoldPayload.availableAfter": _available_after,
        "HoldPayload.replayed": _anything,
        "Hold.id": _column("id"),
        "Hold.status": _hold_status,
        "Hold.amount": _money("amount_minor"),
        "Hold.captured": _captured,
        "Hold.fromAccountNumber": _number("account_id"),
        "Hold.toAccountNumber": _number("to_account_id"),
        "Hold.description": _column("description"),
        "Hold.expiresAt": _moment("expires_at"),
        "Hold.createdAt": _moment("created_at"),
        "HoldEdge.cursor": _anything,  # opaque
        "User.id": _column("id"),
        "User.email": _column("email"),
        "User.fullName": _column("full_name"),
        "User.cpf": _cpf,
        "User.phone": _column("phone"),
        "User.role": _column("role"),
        "User.createdAt": _moment("created_at"),
        "User.stepUpAbove": _anything,  # people of the simulation set no limit
        "Tokens.accessToken": _anything,  # later requests show whether it is valid
        "Tokens.accessTokenExpiresAt": _anything,  # `shapes` checks both ends
        "Tokens.refreshToken": _anything,
        "Tokens.refreshTokenExpiresAt": _anything,
        "LoginPayload.deviceToken": _anything,  # opaque
        "UnlockLoginPayload.unlocked": _anything,  # people of the simulation do not unlock logins
        "LogoutPayload.closed": lambda _place: True,
        "Session.id": _anything,  # people of the simulation neither list nor revoke their sessions
        "Session.userAgent": _anything,
        "Session.ipAddress": _anything,
        "Session.createdAt": _anything,
        "Session.lastUsedAt": _anything,
        "Session.expiresAt": _anything,
        "Session.isCurrent": _anything,
        "RevokeSessionPayload.revoked": _anything,
        "RevokeOtherSessionsPayload.revokedCount": _anything,
        "RegisterPayload.accepted": lambda _place: True,
        "ChangePasswordPayload.changed": _anything,  # people of the simulation keep their passwords and addresses
        "ChangePasswordPayload.endedSessions": _anything,
        "ChangeEmailPayload.changed": _anything,
        "ChangeEmailPayload.endedSessions": _anything,
        "ChangePhonePayload.changed": _anything,
        "EnrolSecondFactorPayload.secret": _anything,
        "EnrolSecondFactorPayload.otpauthUri": _anything,
        "ConfirmSecondFactorPayload.recoveryCodes": _anything,
        "ConfirmSecondFactorPayload.accessToken": _anything,
        "ConfirmSecondFactorPayload.accessTokenExpiresAt": _anything,
        "RenewRecoveryCodesPayload.recoveryCodes": _anything,
        "VerifySecondFactorPayload.accessToken": _anything,
        "VerifySecondFactorPayload.accessTokenExpiresAt": _anything,
        "VerifySecondFactorPayload.freshUntil": _anything,
        "SetStepUpLimitPayload.stepUpAbove": _anything,
        "SetStepUpLimitPayload.accessToken": _anything,
        "SetStepUpLimitPayload.accessTokenExpiresAt": _anything,
        "DisableSecondFactorPayload.disabled": _anything,
        # The staff of the simulation stay below the amount that needs an approval.
        **dict.fromkeys(
            (
                "Approval.accountNumber",
                "Approval.amount",
                "Approval.decidedAt",
                "Approval.decidedBy",
                "Approval.description",
                "Approval.expiresAt",
                "Approval.id",
                "Approval.kind",
                "Approval.oldPerDay",
                "Approval.oldPerTransfer",
                "Approval.oldRole",
                "Approval.perDay",
                "Approval.perTransfer",
                "Approval.reason",
                "Approval.requestedAt",
                "Approval.requestedBy",
                "Approval.role",
                "Approval.status",
                "Approval.transactionId",
                "Approval.userId",
                "ApprovalEdge.cursor",
                "ApprovePayload.replayed",
            ),
            _anything,
        ),
        "ExportMyDataPayload.document": _anything,  # people of the simulation neither export nor erase their data
        "EraseMyDataPayload.erased": _anything,
        "KeptData.data": _anything,
        "KeptData.term": _anything,
        "KeptData.since": _anything,
        "KeptData.reason": _anything,
        "KeptData.source": _anything,
        "UserError.code": _anything,  # `refusals_are_right`
        "UserError.message": _anything,  # `shapes`
        "UserError.field": _anything,
        "PageInfo.hasNextPage": _anything,  # `pages` examines the page as a whole
        "PageInfo.hasPreviousPage": _anything,
        "PageInfo.startCursor": _anything,
        "PageInfo.endCursor": _anything,
        "Transaction.id": _column("id"),
        "Transaction.kind": _column("kind"),
        "Transaction.amount": _money("amount_minor"),
        "Transaction.fromAccountNumber": _number("debit_account_id"),
        "Transaction.toAccountNumber": _number("credit_account_id"),
        "Transaction.description": _column("description"),
        "Transaction.createdAt": _moment("created_at"),
        "Transaction.relatedTransactionId": _column("related_id"),
        "Transaction.holdId": _column("hold_id"),
        "TransferPayload.balanceAfter": _anything,  # `acknowledged_is_durable` compares it with the entry
        "TransferPayload.fee": _fee,
        "TransferPayload.replayed": _anything,
        "DepositPayload.balanceAfter": _anything,
        "DepositPayload.replayed": _anything,
        "WithdrawPayload.balanceAfter": _anything,
        "WithdrawPayload.fee": _fee,
        "WithdrawPayload.replayed": _anything,
        "TransferBatchPayload.replayed": _anything,
        "TransferBatchResult.balanceAfter": _anything,
        "TransferBatchResult.fee": _fee,
        "ReverseTransactionPayload.replayed": _anything,
        "AuditLog.id": _column("id"),
        "AuditLog.number": _text_of("number"),
        "AuditLog.eventPosition": _text_of("event_position"),
        "AuditLog.userId": _column("user_id"),
        "AuditLog.entityType": _column("entity_type"),
        "AuditLog.entityId": _column("entity_id"),
        "AuditLog.action": _column("action"),
        "AuditLog.oldValues": _anything,  # `pages` compares them as JSON
        "AuditLog.newValues": _anything,
        "AuditLog.ipAddress": _column("ip_address"),
        "AuditLog.userAgent": _column("user_agent"),
        "AuditLog.createdAt": _moment("created_at"),
        "AuditLog.hash": _hash,
        "AuditLogEdge.cursor": _anything,
    }
)
"""The rules of all fields that are compared as one value, by type and field."""
