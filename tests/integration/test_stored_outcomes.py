"""SQL writes and reads stored outcomes exactly as the codec does."""

import asyncio
from typing import Any

import pytest

from bank.database.migrate import upgrade
from bank.idempotency import keys
from bank.idempotency.outcomes import (
    HoldReceipt,
    OpenedAccount,
    Receipt,
    Result,
    Results,
    UnknownOutcomeVersion,
    decode_outcome,
    encode_outcome,
)
from bank.refusal import Refusal
from benchmarks.grown_ledger import grow
from simulation.judge.observe import KEYS
from tests.integration.api import RunningBank
from tests.integration.every_request import EveryRequest
from tests.integration.payers import connected, payer_at

KINDS = {
    "openAccount": OpenedAccount,
    "transfer": Receipt,
    "deposit": Receipt,
    "withdraw": Receipt,
    "reverseTransaction": Receipt,
    "transferBatch": Results,
    "authorizeHold": HoldReceipt,
    "captureHold": HoldReceipt,
    "releaseHold": HoldReceipt,
}
ROWS = "select operation, outcome::text, transaction_id from idempotency_keys"


@pytest.fixture
async def used_bank(running_bank: RunningBank) -> RunningBank:
    """A bank in which every mutation with a key was executed, once successful and once refused."""
    every_request = EveryRequest(running_bank)
    requests = await every_request.next_requests()
    for request in requests.values():
        await request()
    payer = await payer_at(running_bank)
    await payer.pay("too much", "1000.00")
    items = [payer.input(None, amount) for amount in ("1.00", "1000.00")]
    for key, atomic in (("each", False), ("all", True)):
        given = {"idempotencyKey": key, "atomic": atomic, "transfers": items}
        await payer.client.run("TransferBatch", input=given)
    return running_bank


def _transaction_id(result: Result) -> Any:
    match result:
        case Receipt():
            return result.transaction_id
        case HoldReceipt(receipt=Receipt() as receipt):
            return receipt.transaction_id
        case _:
            return None


async def test_every_stored_outcome_equals_the_encoding_by_the_codec(used_bank: RunningBank, database_url: str) -> None:
    async with connected(database_url) as connection:
        rows = await connection.fetch(ROWS)
    seen = set()
    for operation, stored, transaction_id in rows:
        result = decode_outcome(stored)
        assert encode_outcome(result) == stored
        assert transaction_id == _transaction_id(result)
        assert isinstance(result, KINDS[operation] | Refusal)
        seen.add((operation, type(result)))
    assert seen >= set(KINDS.items()) | {("transfer", Refusal), ("transferBatch", Refusal)}


@pytest.mark.usefixtures("used_bank")
async def test_the_judge_reads_the_ids_that_the_codec_has_written(database_url: str) -> None:
    async with connected(database_url) as connection:
        judged = {(row[0], row[1]): tuple(row)[2:] for row in await connection.fetch(KEYS)}
        rows = await connection.fetch("select caller_id::text, key, operation, outcome::text from idempotency_keys")
    assert len(judged) == len(rows) > len(KINDS)
    for caller_id, key, operation, stored in rows:
        result, moved = decode_outcome(stored), None
        items = result.items if isinstance(result, Results) else ()
        listed = [str(item.transaction_id) if isinstance(item, Receipt) else None for item in items]
        if moved := _transaction_id(result):
            moved = str(moved)
        hold = str(result.id) if isinstance(result, HoldReceipt) else None
        assert judged[caller_id, key] == (operation, moved, listed, hold)


async def test_the_ledger_of_the_benchmark_has_outcomes_of_the_current_version(postgres_url: str) -> None:
    await asyncio.to_thread(upgrade, postgres_url)
    await grow(postgres_url, transactions=20, accounts=4)
    async with connected(postgres_url) as connection:
        rows = await connection.fetch(ROWS)
        [version] = await connection.fetchrow("select distinct outcome ->> 'version' from idempotency_keys")
    assert len(rows) == 20
    assert version == "2"
    for _, stored, transaction_id in rows:
        result = decode_outcome(stored)
        assert isinstance(result, Receipt)
        assert result.transaction_id == transaction_id


@pytest.mark.parametrize("operation", ["Transfer", "OpenAccount"])
async def test_an_outcome_of_a_newer_worker_is_unknown_and_fails_no_other_command(
    running_bank: RunningBank, database_url: str, operation: str
) -> None:
    payer = await payer_at(running_bank)
    given = payer.input("k") if operation == "Transfer" else {"idempotencyKey": "k", "currency": "BRL"}
    await payer.client.run(operation, input=given)
    async with connected(database_url) as connection:
        await connection.execute("update idempotency_keys set outcome = '{\"version\":4,\"new\":true}' where key = 'k'")
        reply, other = await asyncio.gather(payer.client.run(operation, input=given), payer.pay("other", "1.00"))
        assert (reply.status, reply.code) == (503, "OUTCOME_UNKNOWN")
        [error] = reply.body["errors"]
        assert error["message"].endswith("format version 4; this worker reads versions 1 to 3.")
        assert error["extensions"]["retryable"]
        assert other.data["transfer"]["userErrors"] == []
        assert await connection.fetchval("select outcome ->> 'version' from idempotency_keys where key = 'k'") == "4"


async def test_units_of_work_and_batches_read_the_same_outcome_of_a_key(
    running_bank: RunningBank, database_url: str
) -> None:
    payer = await payer_at(running_bank)
    await payer.pay("k")
    async with connected(database_url) as connection:
        [caller_id] = await connection.fetchrow("select caller_id from idempotency_keys where key = 'k'")
        record = await keys.find_record(connection, caller_id=caller_id, key="k")
        assert record is not None
        assert (await keys.find_records(connection, [(caller_id, "k"), (caller_id, "unused")])) == {
            (caller_id, "k"): record
        }
        assert await keys.find_record(connection, caller_id=caller_id, key="unused") is None
    assert isinstance(keys.replay(record, "transfer", record.request_digest).result, Receipt)
    newer = keys.IdempotencyRecord("transfer", record.request_digest, '{"version":4}')
    with pytest.raises(UnknownOutcomeVersion):
        keys.replay(newer, "transfer", record.request_digest)
