"""Alembic's entry: run migrations over asyncpg, one at a time across processes."""

import asyncio
from urllib.parse import urlsplit

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

# Any number that nothing else locks; two deployments starting at once migrate one after the other.
MIGRATION_LOCK = 7_205_759_403


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        context.run_migrations()


async def _run(url: str) -> None:
    engine = create_async_engine(urlsplit(url)._replace(scheme="postgresql+asyncpg").geturl(), poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_run(context.config.attributes["url"]))
