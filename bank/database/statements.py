"""Loading of the named statements in a `queries.sql` beside the module that runs them."""

from collections.abc import AsyncIterator
from functools import cache
from pathlib import Path
from typing import Any

import aiosql
from aiosql.adapters.asyncpg import AsyncPGAdapter


class _OnConnection(AsyncPGAdapter):
    """An adapter that runs statements on a connection.

    aiosql's own adapter checks in each call if it was given a pool, which costs a fifth of a short statement
    (measured).
    """

    def _ordered(self, query_name: str, parameters: Any) -> list[Any]:
        ordered: list[Any] = self.maybe_order_params(query_name, parameters)  # type: ignore[no-untyped-call]
        return ordered

    async def select(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> AsyncIterator[Any]:
        """Yield the rows."""
        assert record_class is None
        for row in await conn.fetch(sql, *self._ordered(query_name, parameters)):
            yield row

    async def select_one(
        self, conn: Any, query_name: str, sql: str, parameters: Any, record_class: Any = None
    ) -> Any | None:
        """Return the first row, or None."""
        assert record_class is None
        return await conn.fetchrow(sql, *self._ordered(query_name, parameters))

    async def select_value(self, conn: Any, query_name: str, sql: str, parameters: Any) -> Any | None:
        """Return the first value of the first row, or None."""
        return await conn.fetchval(sql, *self._ordered(query_name, parameters))

    async def insert_update_delete(self, conn: Any, query_name: str, sql: str, parameters: Any) -> str:
        """Run a statement that returns no rows."""
        status: str = await conn.execute(sql, *self._ordered(query_name, parameters))
        return status


def load_statements(module_file: str, name: str = "queries.sql") -> Any:
    """Return the statements of a file beside a module as functions of a connection. `module_file` is its `__file__`.

    All modules of a folder get the same object.
    """
    return _load(Path(module_file).with_name(name))


@cache
def _load(path: Path) -> Any:
    adapter: Any = _OnConnection
    return aiosql.from_path(path, adapter)
