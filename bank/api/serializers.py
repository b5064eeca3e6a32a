"""Serializers: the bank's values as plain dictionaries with the schema's names."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from bank.api.resolver_context import PlainTexts
from bank.approvals.reads import ApprovalDetails
from bank.errors import BadInput
from bank.idempotency.outcomes import Receipt
from bank.identifiers import read_uuid
from bank.ledger.approval_policy import Approval
from bank.money import format_amount
from bank.refusal import Refusal
from bank.telemetry.context import note_refusal

JsonObject = dict[str, Any]

# The fields whose values are stored encrypted.
TRANSACTION_TEXT = "Transaction.description"
HOLD_TEXT = "Hold.description"
APPROVAL_TEXTS = ("Approval.description", "Approval.reason")

# 100 items fill the screen of any client and take a worker 20 ms.
PAGE_MAX = 100


def serialize_money(amount_minor: int, currency: str) -> JsonObject:
    """Return an amount as Money."""
    return {"amount": format_amount(amount_minor, currency), "currency": currency}


def serialize_user_errors(refusal: Refusal, path: tuple[str, ...] = ("input",)) -> list[JsonObject]:
    """Return a refusal as userErrors, and note its code for the log and the metrics.

    `path` replaces the first element, `input`, of the refusal's field.
    """
    note_refusal(refusal.code)
    field = [*path, *refusal.field[1:]] if refusal.field else None
    return [{"code": refusal.code, "message": refusal.message, "field": field}]


def serialize_refusal(refusal: Refusal, names: Sequence[str], **more: Any) -> JsonObject:
    """Return a payload whose fields `names` are null, with the refusal as its userErrors."""
    return {**dict.fromkeys(names), "userErrors": serialize_user_errors(refusal), **more}


def serialize_transaction(receipt: Receipt, texts: PlainTexts) -> JsonObject:
    """Return the receipt of a posting as Transaction. `texts` has the plain text of its description."""
    return {
        "id": str(receipt.transaction_id),
        "kind": receipt.kind,
        "amount": serialize_money(receipt.amount_minor, receipt.currency),
        "fromAccountNumber": _customer_number(receipt.debit_number),
        "toAccountNumber": _customer_number(receipt.credit_number),
        "description": texts.get(receipt.description),
        "createdAt": receipt.created_at,
        "relatedTransactionId": str(receipt.related_id) if receipt.related_id else None,
        "holdId": str(receipt.hold_id) if receipt.hold_id else None,
    }


def serialize_hold(hold: Mapping[str, Any], texts: PlainTexts) -> JsonObject:
    """Return a hold, given as columns of its row or fields of its receipt, as Hold.

    `texts` has the plain text of its description.
    """
    return {
        "id": str(hold["id"]),
        "status": hold["status"],
        "amount": serialize_money(hold["amount_minor"], hold["currency"]),
        "captured": serialize_money(hold["captured_minor"], hold["currency"]),
        "fromAccountNumber": hold["debit_number"],
        "toAccountNumber": hold["credit_number"],
        "description": texts.get(hold["description"]),
        "expiresAt": hold["expires_at"],
        "createdAt": hold["created_at"],
    }


def serialize_approval(approval: Approval, details: ApprovalDetails, texts: PlainTexts) -> JsonObject:
    """Return a request as Approval. `texts` has the plain text of its description and its reason."""
    receipt = details.receipts.get(approval.transaction_id)
    return {
        "id": str(approval.id),
        "kind": approval.kind,
        "status": approval.status,
        "requestedBy": str(approval.requested_by),
        "requestedAt": approval.requested_at,
        "expiresAt": approval.expires_at,
        "accountNumber": details.numbers.get(approval.account_id),
        "amount": _serialize_limit(approval.amount_minor, approval.currency),
        "transactionId": str(approval.original_id) if approval.original_id else None,
        "description": texts.get(approval.description),
        "perTransfer": _serialize_limit(approval.transfer_limit_minor),
        "perDay": _serialize_limit(approval.daily_limit_minor),
        "oldPerTransfer": _serialize_limit(approval.old_transfer_limit_minor),
        "oldPerDay": _serialize_limit(approval.old_daily_limit_minor),
        "userId": str(approval.subject_id) if approval.subject_id else None,
        "role": approval.role,
        "oldRole": approval.old_role,
        "decidedBy": str(approval.decided_by) if approval.decided_by else None,
        "decidedAt": approval.decided_at,
        "reason": texts.get(approval.reason),
        "transaction": serialize_transaction(receipt, texts) if receipt else None,
        "refusal": serialize_recorded_refusal(approval),
    }


def serialize_recorded_refusal(approval: Approval) -> JsonObject | None:
    """Return why an approved request was not executed as UserError, or None."""
    if approval.refusal_code is None:
        return None
    return {"code": approval.refusal_code, "message": approval.refusal_message, "field": None}


def _serialize_limit(amount_minor: int | None, currency: str | None = "BRL") -> JsonObject | None:
    """Return an amount that may be missing. Limits are of accounts in the only currency."""
    return None if amount_minor is None else serialize_money(amount_minor, currency or "BRL")


def _customer_number(number: str) -> str | None:
    """Return the number of a customer's account; None for the bank's own accounts, whose numbers are words."""
    return number if number[0].isdigit() else None


def page_size(arguments: JsonObject) -> int:
    """Return the argument `first`. Raises `BadInput` unless it is 1 to `PAGE_MAX`."""
    first: int = arguments["first"]
    if not 1 <= first <= PAGE_MAX:
        raise BadInput(f"first must be 1 to {PAGE_MAX}.")
    return first


def serialize_page(edges: list[JsonObject], *, has_next: bool, is_first: bool) -> JsonObject:
    """Return a page of a connection."""
    return {
        "edges": edges,
        "nodes": [edge["node"] for edge in edges],
        "pageInfo": {
            "hasNextPage": has_next,
            "hasPreviousPage": not is_first,
            "startCursor": edges[0]["cursor"] if edges else None,
            "endCursor": edges[-1]["cursor"] if edges else None,
        },
    }


def read_id(text: str) -> UUID | None:
    """Return an id that a client sent, or None if it does not have the form of the bank's ids."""
    try:
        return read_uuid(text)
    except ValueError:
        return None


def read_cursor(cursor: str) -> int:
    """Return the number in a cursor. Raises `BadInput` for any other text."""
    number = cursor.removeprefix("v")
    if not (cursor.startswith("v") and number.isascii() and number.isdigit() and len(number) <= 18):
        raise BadInput("after is not a cursor of this connection.")
    return int(number)


def write_cursor(number: int) -> str:
    """Return the cursor, opaque to clients, of a list item with this number, such as an entry's version."""
    return f"v{number}"
