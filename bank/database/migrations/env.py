"""Alembic's entry point: it runs migrations over asyncpg, in one process at a time."""

import asyncio
from functools import partial

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from bank.database.connection import connect
from bank.database.migrate import ForeignDatabase

# An arbitrary number that no other code locks. It makes two deployments that start at once migrate one after the other.
MIGRATION_LOCK = 7_205_759_403
# A distant server needs a second; one that takes longer than this is down.
CONNECT_S = 10


# The relations in the current schema that do not belong to an extension.
EXISTING_RELATIONS = """
    select relname from pg_class c
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
    and not exists (
        select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
    order by 1
"""


def _require_own_schema(connection: Connection) -> None:
    """Raise `ForeignDatabase` if the schema has tables that no migration of a bank has made."""
    names = list(connection.execute(text(EXISTING_RELATIONS)).scalars())
    if names and "alembic_version" not in names:
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        raise ForeignDatabase(
            f"The database is not empty: it holds {names[0]}{more}, and no migration of this bank has made that. "
            "Give the bank a database of its own. Nothing was changed."
        )


def _migrate(connection: Connection) -> None:
    context.configure(connection=connection)
    with context.begin_transaction():
        connection.execute(text("select pg_advisory_xact_lock(:lock)"), {"lock": MIGRATION_LOCK})
        _require_own_schema(connection)
        context.run_migrations()


async def _run(url: str) -> None:
    # SQLAlchemy itself does not support `sslmode` and several hosts in a URL.
    create = partial(connect, url, name="bank-migrate", timeout=CONNECT_S)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=create, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_run(context.config.attributes["url"]))
