"""Reads of approvals: one, a page of the pending ones, and what belongs to them."""

from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from bank.database.pool import Database
from bank.database.snapshot import ReadSnapshot
from bank.database.statements import load_statements
from bank.idempotency.outcomes import Receipt
from bank.ledger.approval_policy import Approval
from bank.ledger.policy import NIL_UUID

queries = load_statements(__file__)

Fetch = Callable[..., Awaitable[list[Any]]]
"""A function that runs a statement on a connection or a snapshot and returns its rows."""


@dataclass(frozen=True, slots=True)
class ApprovalDetails:
    """The numbers of the accounts of some approvals, and the receipts of their transactions."""

    numbers: Mapping[UUID | None, str]
    receipts: Mapping[UUID | None, Receipt]


async def find_approval(database: Database, approval_id: UUID) -> Approval | None:
    """Return an approval as it is now, or None for an unknown id."""
    async with database.connection() as connection:
        row = await queries.approval_by_id(connection, id=approval_id)
    return Approval(**row) if row else None


async def approval_in(snapshot: ReadSnapshot, approval_id: UUID) -> Approval | None:
    """Return an approval as of a snapshot, or None for an unknown id."""
    row = await snapshot.fetch_row(queries.approval_by_id.sql, approval_id)
    return Approval(**row) if row else None


async def pending_page(
    snapshot: ReadSnapshot, *, after: UUID = NIL_UUID, now: datetime, max_rows: int
) -> list[Approval]:
    """Return up to `max_rows` requests that can still be decided and are newer than `after`, oldest first."""
    return [Approval(**row) for row in await snapshot.fetch(queries.pending_page.sql, after, now, max_rows)]


async def owners_of(connection: Any, approval_id: UUID) -> Collection[UUID | None]:
    """Return the owners of the accounts that a request is about."""
    return {row["user_id"] async for row in queries.owners_of(connection, approval_id=approval_id)}


async def details_of(approvals: Iterable[Approval], fetch: Fetch) -> ApprovalDetails:
    """Return the numbers and receipts of approvals."""
    approvals = list(approvals)
    numbers = await fetch(queries.account_numbers.sql, [one.account_id for one in approvals if one.account_id])
    receipts = await fetch(queries.receipts.sql, [one.transaction_id for one in approvals if one.transaction_id])
    return ApprovalDetails(
        {row["id"]: row["number"] for row in numbers},
        {
            row["id"]: Receipt(transaction_id=row["id"], **{k: v for k, v in row.items() if k != "id"})
            for row in receipts
        },
    )
