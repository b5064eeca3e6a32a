"""The network between the bank's workers and their servers, with the proxies that faults need."""

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
    """The backend with the addresses for the bank, and the proxies: one for PostgreSQL, and one for Redis per worker.

    `redis_urls` are the URLs by which the workers reach Redis. If no fault needs a proxy, that for PostgreSQL is not
    started, and there are no proxies for Redis and no `redis_urls`.
    """

    bank_backend: Backend
    database: ProxyProcess = field(default_factory=_not_started)
    redis: Sequence[ProxyProcess] = ()
    redis_urls: Sequence[str] = ()


@asynccontextmanager
async def open_network(backend: Backend, faults: Sequence[PlannedFault], *, workers: int) -> AsyncIterator[Network]:
    """Start the proxies that the faults need. Raises CouldNotRunError if the URL of a server permits no proxy."""
    network = Network(backend)
    kinds = [FAULTS[fault.name] for fault in faults]
    async with AsyncExitStack() as stack:
        try:
            if any(kind.by_proxy for kind in kinds):
                proxy = await stack.enter_async_context(ProxyProcess(upstream_of(backend.database_url)))
                through = replace(backend, database_url=through_proxy(backend.database_url, proxy.port))
                network = replace(network, bank_backend=through, database=proxy)
            if any(kind.by_redis_proxy for kind in kinds):
                upstream = upstream_of(backend.redis_url)
                proxies = [ProxyProcess(upstream, is_postgres=False) for _ in range(workers)]
                for proxy in proxies:
                    await stack.enter_async_context(proxy)
                urls = [through_proxy(backend.redis_url, proxy.port) for proxy in proxies]
                network = replace(network, redis=proxies, redis_urls=urls)
        except AddressError as error:
            raise CouldNotRunError(str(error)) from error
        yield network
