"""A person's accounts are read one after the other, each at its own moment: money on its way is seen twice, or not."""

import asyncio
from typing import Any
from uuid import UUID

from bank.accounts import reads
from bank.accounts.reads import find_account
from bank.api.resolvers import identity
from bank.database.snapshot import ReadSnapshot
from bank.ledger.model import Account
from simulation.mutants.mutant import Mutant, patch


async def _begin(self: Any) -> None:
    self._connection = await self._stack.enter_async_context(self._database.connection())


async def _accounts_of(snapshot: ReadSnapshot, user_id: UUID) -> list[Account]:
    found = []
    for account in await reads.accounts_of(snapshot, user_id):
        found.append(await find_account(snapshot, account.id))
        await asyncio.sleep(0.02)  # a slow network, so that a short run meets it
    return [account for account in found if account is not None]


def plant() -> None:
    """Read without a transaction, account by account."""
    patch(ReadSnapshot, "_begin", _begin)
    patch(identity, "accounts_of", _accounts_of)


MUTANT = Mutant(
    name="accounts_read_one_by_one",
    explanation=__doc__ or "",
    caught_by=("snapshot_reads", "conservation"),
    plant=plant,
)
