"""The accounts of a user are read one by one, at different instants, so moving money is seen twice or never."""

import asyncio
from uuid import UUID

from bank.accounts.reads import accounts_of, find_account
from bank.api.resolvers import identity
from bank.database.snapshot import ReadSnapshot
from bank.ledger.model import Account
from simulation.mutants.mutant import Mutant, patch


async def _accounts_of(snapshot: ReadSnapshot, user_id: UUID) -> list[Account]:
    found = []
    for account in await accounts_of(snapshot, user_id):
        await snapshot.close()  # the next statement begins another snapshot
        found.append(await find_account(snapshot, account.id))
        await asyncio.sleep(0.02)  # a slow network, so the bug has an effect in a short run
    return [account for account in found if account is not None]


def plant() -> None:
    """Read the accounts one by one, each in a separate snapshot."""
    patch(identity, "accounts_of", _accounts_of)


MUTANT = Mutant(
    name="accounts_read_one_by_one",
    explanation=__doc__ or "",
    caught_by=("snapshot_reads", "conservation"),
    plant=plant,
)
