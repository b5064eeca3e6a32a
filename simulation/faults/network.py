"""The network between the bank's workers and their servers, with proxies in it where a fault needs one."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace

from fixtures.backends import Backend
from fixtures.faults import AddressError, through_proxy, upstream_of
from fixtures.faults.process import ProxyProcess
from simulation.model.faults import FAULTS, PlannedFault
from simulation.stack.commands import CouldNotRunError


def _not_started() -> ProxyProcess:
    return ProxyProcess(("127.0.0.1", 0))


@dataclass(frozen=True, slots=True)
class Network:
    """The back end as the bank is to see it, and the proxies: before PostgreSQL, and before Redis for each worker.

    Where no fault needs them, the first is not started, and of the others there are none; then there are no
    `redis_urls`, the URL by which each worker reaches Redis, either.
    """

    bank_sees: Backend
    database: ProxyProcess = field(default_factory=_not_started)
    redis: Sequence[ProxyProcess] = ()
    redis_urls: Sequence[str] = ()


@asynccontextmanager
async def open_network(backend: Backend, faults: Sequence[PlannedFault], *, workers: int) -> AsyncIterator[Network]:
    """Put proxies before the servers where a fault needs one. Raises CouldNotRunError where none can be put there."""
    network = Network(backend)
    kinds = [FAULTS[fault.name] for fault in faults]
    async with AsyncExitStack() as stack:
        try:
            if any(kind.by_proxy for kind in kinds):
                proxy = await stack.enter_async_context(ProxyProcess(upstream_of(backend.database_url)))
                seen = replace(backend, database_url=through_proxy(backend.database_url, proxy.port))
                network = replace(network, bank_sees=seen, database=proxy)
            if any(kind.by_redis_proxy for kind in kinds):
                upstream = upstream_of(backend.redis_url)
                ways = [ProxyProcess(upstream, is_postgres=False) for _ in range(workers)]
                for way in ways:
                    await stack.enter_async_context(way)
                urls = [through_proxy(backend.redis_url, way.port) for way in ways]
                network = replace(network, redis=ways, redis_urls=urls)
        except AddressError as error:
            raise CouldNotRunError(str(error)) from error
        yield network
