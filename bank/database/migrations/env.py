"""Alembic's entry: run migrations over asyncpg, one at a time across processes."""

import asyncio
from functools import partial

from alembic import context
from sqlalchemy import Connection, pool, text
from sqlalchemy.ext.asyncio import create_async_engine

from bank.database.connection import connect
from bank.database.migrate import ForeignDatabase

# Any number that nothing else locks; two deployments starting at once migrate one after the other.
MIGRATION_LOCK = 7_205_759_403
# A server far away takes a second; beyond this nobody is there.
CONNECT_S = 10


# What is in the schema where the tables would go, other than what extensions have brought.
STRANGERS = """
    select relname from pg_class c
    where relnamespace = current_schema()::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')
    and not exists (
        select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
    order by 1
"""


def _require_own_schema(connection: Connection) -> None:
    """Raise `ForeignDatabase` where tables are there and no migration of a bank has made them."""
    names = list(connection.execute(text(STRANGERS)).scalars())
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
    # SQLAlchemy's own reading of a URL knows neither `sslmode` nor several hosts.
    make = partial(connect, url, name="bank-migrate", timeout=CONNECT_S)
    engine = create_async_engine("postgresql+asyncpg://", async_creator=make, poolclass=pool.NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(_migrate)
    await engine.dispose()


asyncio.run(_run(context.config.attributes["url"]))
