"""Batches take no advisory lock, and lock their accounts in the order of their commands."""

import asyncio
from collections.abc import AsyncIterator
from itertools import count
from typing import Any

from bank.ledger import post
from bank.ledger.model import Command
from simulation.mutants.mutant import Mutant, patch


def plant() -> None:
    """Let the ledger lock accounts this way."""
    arrived: dict[Any, int] = {}
    places = count()

    async def record_arrival(ledger: post.Ledger, command: Command) -> Any:
        arrived.update((id_, next(places)) for id_ in command.account_ids)
        return await original_post(ledger, command)

    async def one_by_one(connection: Any, ids: list[Any]) -> AsyncIterator[Any]:
        for id_ in sorted(ids, key=lambda id_: arrived[id_]):
            async for row in lock_accounts(connection, ids=[id_]):
                yield row
            await asyncio.sleep(0.05)  # a slow network, so the bug has an effect in a short run

    patch(post, "BEGIN_POSTING", "begin")
    original_post = patch(post.Ledger, "post", record_arrival, marks_reached=False)
    lock_accounts = patch(post.queries, "lock_accounts", one_by_one)


MUTANT = Mutant(
    name="locks_in_arrival_order",
    explanation=__doc__ or "",
    caught_by=("no_deadlocks",),
    plant=plant,
    scenario="hot_account",
    workers=2,
)
