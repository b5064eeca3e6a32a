"""Health endpoints: liveness and readiness (S7)."""

from aiohttp import web

from bank.app import Bank
from bank.cache.redis import RedisUnavailable
from bank.errors import BankError


class HealthHandler:
    """The handlers of the health endpoints."""

    def __init__(self, bank: Bank) -> None:
        self._bank = bank

    async def live(self, _request: web.Request) -> web.Response:
        """Return 200 as long as the process runs."""
        return web.json_response({"status": "ok"})

    async def ready(self, _request: web.Request) -> web.Response:
        """Return 200 if the bank can serve requests, else 503. It needs the database; without Redis it is slower."""
        try:
            async with self._bank.database.connection() as connection:
                await connection.fetchval("select 1")
            database = "ok"
        except (BankError, OSError, TimeoutError):
            database = "unavailable"
        try:
            await self._bank.cache_server.ping()
            redis = "ok"
        except RedisUnavailable:
            redis = "unavailable"
        ready = database == "ok"
        status = "ok" if ready and redis == "ok" else "degraded" if ready else "unavailable"
        return web.json_response({"status": status, "database": database, "redis": redis}, status=200 if ready else 503)
