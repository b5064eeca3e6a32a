"""Alembic's entry: run migrations over asyncpg, one at a time across processes."""

import asyncio
from functools import partial

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from bank.database.connection import connect

# Any number that nothing else locks; two deployments starting at once migrate one after the other.
MIGRATION_LOCK = 7_205_759_403
# A server far away takes a second; beyond this nobody is there.
CONNECT_S = 10


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        context.run_migrations()


async def _run(url: str) -> None:
    # SQLAlchemy's own reading of a URL knows neither `sslmode` nor several hosts.
    make = partial(connect, url, name="bank-migrate", timeout=CONNECT_S)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=make, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_run(context.config.attributes["url"]))
