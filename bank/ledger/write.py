"""Writing of a decided batch in its transaction: one statement, and others for approvals, holds and other events."""

from collections.abc import Iterator
from itertools import chain
from typing import Any

import msgspec

from bank.database.statements import load_statements
from bank.events.event import RecordedEvent
from bank.events.log import append
from bank.identifiers import uuid7s
from bank.ledger.approvals import write_approvals
from bank.ledger.batch import Batch
from bank.ledger.posted import EVENTS_PER_POSTING

queries = load_statements(__file__)

_POSTED_COLUMNS = (
    "transaction_ids", "kinds", "amounts", "currencies", "debit_ids", "debit_versions", "debit_balances",
    "credit_ids", "credit_versions", "credit_balances", "descriptions", "initiators", "related_ids", "hold_ids",
    "metadata", "salts", "description_digests", "key_digests",
)  # fmt: skip
_ACCOUNT_COLUMNS = ("account_ids", "balances", "versions", "helds", "revisions", "spents", "spent_days")
_KEY_COLUMNS = ("callers", "keys", "operations", "digests", "outcomes", "key_transactions", "key_salts")
_HOLD_COLUMNS = (
    "ids", "account_ids", "to_account_ids", "amounts", "currencies", "descriptions", "statuses", "captureds",
    "transaction_ids", "initiators", "expiries", "creations", "ends", "salts",
)  # fmt: skip


def _transpose(names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> dict[str, Any]:
    return dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else dict.fromkeys(names, ())


async def write(connection: Any, batch: Batch) -> Iterator[RecordedEvent]:
    """Write a batch and return its events with their positions. The log's head stays locked until the commit.

    The events are created lazily, after the commit: before it, other transactions would wait for the lock meanwhile.
    """
    if batch.approvals:
        await write_approvals(connection, batch.approvals)
    if batch.holds:
        await queries.write_holds(connection, **hold_columns(batch))
    head = int(await queries.write_batch(connection, **columns(batch)))
    others: list[RecordedEvent] = []
    if batch.other_events:
        events, metadata = zip(*batch.other_events, strict=True)
        others = await append(connection, events, now=batch.now, metadata=metadata)
    return chain(_recorded(batch, head), others)


def columns(batch: Batch) -> dict[str, Any]:
    """Return the parameters of `write_batch`: one list for each column."""
    rows = [
        (
            one.transaction_id, one.posting.kind, one.posting.amount_minor, one.posting.currency,
            one.debit.id, one.debit.version, one.debit.balance_minor,
            one.credit.id, one.credit.version, one.credit.balance_minor,
            one.posting.description, one.initiated_by, one.related_id, one.posting.hold_id,
            msgspec.json.encode(one.metadata).decode(), one.salt, one.description_digest, one.key_digest,
        )
        for one in batch.posted
    ]  # fmt: skip
    accounts = [
        (
            account.id, account.balance_minor, account.version,
            account.held_minor, account.revision, account.spent_minor, account.spent_on,
        )
        for account in batch.changed
    ]  # fmt: skip
    return {
        "now": batch.now,
        "event_ids": uuid7s(EVENTS_PER_POSTING * len(batch.posted)),
        **_transpose(_POSTED_COLUMNS, rows),
        **_transpose(_ACCOUNT_COLUMNS, accounts),
        **_transpose(_KEY_COLUMNS, batch.keys),
    }


def hold_columns(batch: Batch) -> dict[str, Any]:
    """Return the parameters of `write_holds`."""
    return _transpose(_HOLD_COLUMNS, [msgspec.structs.astuple(hold) for hold in batch.holds])


def _recorded(batch: Batch, head: int) -> Iterator[RecordedEvent]:
    """Yield the events of the batch's postings with their positions; `head` is the position of the last one."""
    position = head - EVENTS_PER_POSTING * len(batch.posted)
    for posted in batch.posted:
        metadata = posted.first_metadata
        for event in posted.events():
            position += 1
            yield RecordedEvent(position=position, event=event, metadata=metadata, created_at=batch.now)
            metadata = posted.metadata
