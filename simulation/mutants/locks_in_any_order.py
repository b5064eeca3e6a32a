"""Batches take no common lock, and lock their accounts one by one in whatever order."""

import asyncio
from collections.abc import AsyncIterator
from random import Random
from typing import Any

from bank.ledger import post
from simulation.mutants.mutant import Mutant, patch

_random = Random()


def plant() -> None:
    """Let the ledger load batches this way."""
    lock_accounts = post.queries.lock_accounts
    patch(post, "BEGIN_POSTING", "begin")

    async def one_by_one(connection: Any, ids: list[Any]) -> AsyncIterator[Any]:
        for id_ in _random.sample(ids, len(ids)):
            async for row in lock_accounts(connection, ids=[id_]):
                yield row
            await asyncio.sleep(0.01)  # a slow network, so that a short run meets it

    patch(post.queries, "lock_accounts", one_by_one)


MUTANT = Mutant(
    name="locks_in_any_order",
    explanation=__doc__ or "",
    caught_by=("no_deadlocks",),
    plant=plant,
    scenario="hot_account",
    workers=2,
)
