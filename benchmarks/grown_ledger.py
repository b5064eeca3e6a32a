"""A ledger of any size, made by statements on whole sets in `grown_ledger.sql`."""

from pathlib import Path

import asyncpg

STATEMENTS = Path(__file__).with_suffix(".sql")


async def grow(url: str, *, transactions: int, accounts: int) -> None:
    """Fill a migrated database with the rows that the bank would have written."""
    text = STATEMENTS.read_text().replace(":transactions", str(transactions)).replace(":accounts", str(accounts))
    connection = await asyncpg.connect(url)
    async with connection.transaction():
        for statement in text.split(";;"):
            await connection.execute(statement)
    await connection.execute("vacuum analyze")
    await connection.close()
