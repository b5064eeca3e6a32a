"""Two processes post at the same time: only one batch runs at a time, in any process (R4)."""

import asyncio
import contextlib
from typing import Any

from bank.idempotency.outcomes import Outcome
from bank.refusal import Refusal
from tests.integration.books import Books, running_books
from tests.integration.payers import connected

# The trigger runs inside of COMMIT, so that COMMIT waits for the owner of the lock that its key names.
GATES = """
create function wait_at_gate() returns trigger language plpgsql as
    'begin perform pg_advisory_xact_lock_shared(hashtext(new.key)); return null; end';
create constraint trigger wait_at_gate after insert on idempotency_keys deferrable initially deferred
    for each row execute function wait_at_gate()
"""
CLOSE = "select pg_advisory_lock(hashtext($1))"
OPEN = "select pg_advisory_unlock(hashtext($1))"


async def until_waiting(connection: Any, count: int) -> None:
    """Wait until at least `count` transactions of this database wait for a lock."""
    waiting = "select count(*) from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()"
    async with asyncio.timeout(5):
        while await connection.fetchval(waiting) < count:
            await asyncio.sleep(0.01)


async def until_queued_at_gate(connection: Any, key: str) -> None:
    """Wait until a transaction waits at this gate, and another one waits for that transaction."""
    queued = """
        with at_gate as (
            select pid from pg_locks where locktype = 'advisory' and not granted
            and objid = (hashtext($1)::bigint & 4294967295)::oid
        )
        select exists (
            select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()
            and pg_blocking_pids(pid) && array(select pid from at_gate)
        )
    """
    async with asyncio.timeout(5):
        while not await connection.fetchval(queued, key):
            await asyncio.sleep(0.01)


async def pay_from_nowhere(books: Books, other: Books, key: str) -> Outcome:
    """Send a command that is refused and stored, so that only its key could make two batches wait for each other."""
    nowhere = books.owner_id
    return await other.transfer(nowhere, nowhere, "1.00", key=key, caller_id=books.owner_id)


async def test_keys_in_batches_of_two_processes_are_decided_once_in_a_third(books: Books, database_url: str) -> None:
    """Without the posting lock, the third process would find neither key, and conflict with each one at its commit."""
    async with contextlib.AsyncExitStack() as stack:
        second = await stack.enter_async_context(running_books(database_url))
        third = await stack.enter_async_context(running_books(database_url))
        gates = await stack.enter_async_context(connected(database_url))
        await gates.execute(GATES)
        for key in ("one", "two"):
            await gates.fetchval(CLOSE, key)
        asked = []
        for number, (other, keys) in enumerate([(books, ["one"]), (third, ["one", "two"]), (second, ["two"])], start=1):
            asked += [asyncio.create_task(pay_from_nowhere(books, other, key)) for key in keys]
            await until_waiting(books.connection, number)
        await gates.fetchval(OPEN, "one")
        await until_queued_at_gate(books.connection, "two")
        await gates.fetchval(OPEN, "two")
        first, *both, last = await asyncio.gather(*asked)
    assert {type(outcome.result) for outcome in (first, *both, last)} == {Refusal}
    assert [outcome.replayed for outcome in (first, *both, last)] == [False, True, False, True]
