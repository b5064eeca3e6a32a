"""Batches take no advisory lock and no row locks, so two of them debit the same balance, and one debit is lost."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from bank.ledger import post
from simulation.mutants.mutant import Mutant, patch

LOCKED, UNLOCKED = "for no key update", ""


def plant() -> None:
    """Let the ledger load batches this way."""
    statement = post.queries.lock_accounts.sql
    if LOCKED not in statement:
        raise ValueError(f"the statement to patch does not say {LOCKED!r}")
    patch(post, "BEGIN_POSTING", "begin")

    async def read(connection: Any, ids: list[Any]) -> AsyncIterator[Any]:
        for row in await connection.fetch(statement.replace(LOCKED, UNLOCKED), ids):
            yield row
        await asyncio.sleep(0.02)  # a busy process, so the bug has an effect in a short run

    patch(post.queries, "lock_accounts", read)


MUTANT = Mutant(
    name="debit_without_lock",
    explanation=__doc__ or "",
    caught_by=("conservation", "balances_match_oracle"),
    plant=plant,
    drop_guards=(
        # All guards that refuse a second entry of a version, or a balance that differs from the entries.
        "alter table entries drop constraint if exists entries_pkey",
        "drop trigger if exists entries_sum_to_zero on entries",
        "drop trigger if exists transactions_have_entries on transactions",
        "drop trigger if exists balances_change_by_entries on accounts",
    ),
    scenario="hot_account",
    workers=2,
)
