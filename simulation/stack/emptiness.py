"""The check that external servers are empty, which only reads, before anything is written to them.

The checks count every row, and a run leaves its own rows, so a database that is in use is refused.
"""

import asyncio
from typing import Any

import asyncpg
import redis.asyncio

from fixtures.backends import Backend
from fixtures.backends.reach import plain_url
from simulation.stack.commands import CouldNotRunError

ANSWER_S = 5.0
"""A generous bound, because the servers have just answered with their versions."""

RELATIONS = """
    select n.nspname as schema, c.relname as name,
        case c.relkind when 'v' then 'view' when 'm' then 'view' when 'S' then 'sequence' when 'f' then 'foreign table'
            else 'table' end as kind
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind in ('r', 'p', 'v', 'm', 'S', 'f')
    and n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and not exists (
        select from pg_depend d where d.classid = 'pg_class'::regclass and d.objid = c.oid and d.deptype = 'e'
    )
    order by 1, 2
"""
FUNCTIONS = """
    select n.nspname as schema, p.proname as name, 'function' as kind
    from pg_proc p join pg_namespace n on n.oid = p.pronamespace
    where n.nspname <> 'information_schema' and n.nspname !~ '^pg_' and not exists (
        select from pg_depend d where d.classid = 'pg_proc'::regclass and d.objid = p.oid and d.deptype = 'e'
    )
    order by 1, 2
"""
BANK_TABLES = frozenset({"alembic_version", "users", "accounts", "transactions", "entries", "event_store"})
"""Tables of a database that is migrated for the bank. If all of them exist, only rows count as use."""


async def require_empty(backend: Backend) -> None:
    """Raise CouldNotRunError if the database contains anything, or Redis a key.

    A database that is migrated but not used is accepted.
    """
    await _require_empty_database(backend.database_url)
    await _require_empty_redis(backend.redis_url)


async def _require_empty_database(url: str) -> None:
    connection = await asyncpg.connect(plain_url(url), timeout=ANSWER_S)
    try:
        async with connection.transaction(readonly=True):
            things = await connection.fetch(RELATIONS)
            if {row["name"] for row in things} >= BANK_TABLES:
                await _require_unused(connection)
            elif found := [*things, *await connection.fetch(FUNCTIONS)]:
                first = found[0]
                more = f" and {len(found) - 1} more" if len(found) > 1 else ""
                raise CouldNotRunError(
                    f"the database is not empty: it holds the {first['kind']} {first['schema']}.{first['name']}{more}; "
                    "nothing was changed: give it an empty database"
                )
    finally:
        await connection.close()


async def _require_unused(connection: Any) -> None:
    users = await connection.fetchval("select count(*) from users")
    if users:
        raise CouldNotRunError(
            f"the database already holds {users} user{'s' if users > 1 else ''}, and the judge counts every row; "
            "nothing was changed: give it an empty database"
        )
    for table in ("transactions", "entries", "event_store"):
        if await connection.fetchval(f"select exists (select from {table})"):  # noqa: S608 - a name from above
            raise CouldNotRunError(
                f"the database already holds rows in {table}, and the judge counts every row; "
                "nothing was changed: give it an empty database"
            )


async def _require_empty_redis(url: str) -> None:
    client = redis.asyncio.Redis.from_url(url, socket_timeout=ANSWER_S, socket_connect_timeout=ANSWER_S)
    try:
        async with asyncio.timeout(ANSWER_S):
            keys = await client.dbsize()
    finally:
        await client.aclose()
    if keys:
        raise CouldNotRunError(
            f"Redis already holds {keys} key{'s' if keys > 1 else ''} in this database; nothing was changed: "
            "give it an empty one, such as another number at the end of its URL"
        )
