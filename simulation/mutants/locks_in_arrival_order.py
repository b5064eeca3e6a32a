"""Batches take no common lock, and lock their accounts in the order in which their commands came."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from typing import Any

from bank.ledger import post
from bank.ledger.batch import Batch
from bank.ledger.model import Command
from simulation.mutants.mutant import Mutant, patch

_arrived: ContextVar[list[Any]] = ContextVar("arrived")


def plant() -> None:
    """Let the ledger load batches this way."""
    lock_accounts = post.queries.lock_accounts
    patch(post, "BEGIN_POSTING", "begin")

    async def noting_arrival(self: Any, connection: Any, commands: Sequence[Command]) -> Batch:
        _arrived.set(list(dict.fromkeys(id_ for command in commands for id_ in command.account_ids)))
        batch: Batch = await load(self, connection, commands)
        return batch

    async def one_by_one(connection: Any, ids: list[Any]) -> AsyncIterator[Any]:
        for id_ in sorted(ids, key=_arrived.get().index):
            async for row in lock_accounts(connection, ids=[id_]):
                yield row
            await asyncio.sleep(0.05)  # a slow network, so that a short run meets it

    load = patch(post.Ledger, "_load", noting_arrival)
    patch(post.queries, "lock_accounts", one_by_one)


MUTANT = Mutant(
    name="locks_in_arrival_order",
    explanation=__doc__ or "",
    caught_by=("no_deadlocks",),
    plant=plant,
    scenario="hot_account",
    workers=2,
)
