"""The thread pool that hashes passwords, with a bounded and fair queue.

A hash takes 45 ms of a core, so that a few hundred logins at once would queue for many seconds. A flood of logins from
one client must not delay the others. So the next turn goes to the address whose last turn is the longest ago, then to
the account for which this is true. When the queue is full, the address with the most waiting requests loses one.
"""

import asyncio
import itertools
import os
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from cachetools import FIFOCache

from bank.errors import Overloaded
from bank.networks import network_of
from bank.telemetry.context import current_context

# More threads than cores would only make each login slower. Two threads need less than 40 MiB for hashing.
THREADS = 2
# With a free core, the last of 64 requests waits a second and a half, which is long enough for an error response. On a
# busy machine the limit of two seconds applies first.
WAITING_MAX = 64
WAIT_MAX_S = 2.0
# The bank remembers the last turns of so many addresses and accounts. If one is dropped, others wait one turn longer.
TURNS_REMEMBERED = 10_000
# With this niceness, a hashing thread gets a tenth of the event loop's share of a core that both want.
_NICENESS = 10


@dataclass(eq=False, slots=True)
class _Waiter:
    """A request that waits for a turn. `parties` are the client address and the account, in this order."""

    parties: tuple[str, str]
    arrival: int
    turn: asyncio.Future[None]


class HashingThreads:
    """A few threads that run functions in fair order."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2", initializer=_lower_priority)
        self._free = THREADS
        self._waiting: list[_Waiter] = []
        self._numbers = itertools.count(1)
        self._last_turns: FIFOCache[str, int] = FIFOCache(TURNS_REMEMBERED)

    async def run(self, prepare: Callable[[], Awaitable[Callable[[], Any]]], *, account: str) -> Any:
        """Wait for a turn, await `prepare`, run the function that it returns on a thread, and return the result.

        The turn counts for `account` and for the client address of the request. `prepare` runs only when the turn has
        come, so that waiting requests occupy nothing else. Raises `Overloaded` if too many requests wait, or if this
        one waits for too long.
        """
        await self._wait_for_turn(account)
        try:
            function = await prepare()
        except BaseException:
            self._release_thread()
            raise
        running = asyncio.get_running_loop().run_in_executor(self._threads, function)
        running.add_done_callback(self._finished)
        # If the client disconnects, the thread runs on. So its turn lasts until the function returns.
        return await asyncio.shield(running)

    async def _wait_for_turn(self, account: str) -> None:
        context = current_context()
        parties = (f"address {network_of(context.ip_address if context else None)}", f"account {account}")
        waiter = _Waiter(parties, next(self._numbers), asyncio.get_running_loop().create_future())
        self._waiting.append(waiter)
        if len(self._waiting) > WAITING_MAX:
            self._reject(_last_of_fullest(self._waiting))
        self._start_next()
        timer = asyncio.get_running_loop().call_later(WAIT_MAX_S, self._reject, waiter)
        try:
            await waiter.turn
        except BaseException:
            if waiter in self._waiting:
                self._waiting.remove(waiter)
            elif waiter.turn.done() and not waiter.turn.cancelled() and waiter.turn.exception() is None:
                self._release_thread()  # the client disconnected at the moment of its turn
            raise
        finally:
            timer.cancel()

    def close(self) -> None:
        """Reject the waiting requests, and stop the threads after their running functions."""
        for waiter in list(self._waiting):
            self._reject(waiter)
        self._threads.shutdown()

    def _reject(self, waiter: _Waiter) -> None:
        if waiter in self._waiting:
            self._waiting.remove(waiter)
            if not waiter.turn.done():
                waiter.turn.set_exception(Overloaded("Too many people log in at once; try again in a moment."))

    def _start_next(self) -> None:
        while self._free and self._waiting:
            chosen = min(
                self._waiting,
                key=lambda waiter: (*(self._last_turns.get(party, 0) for party in waiter.parties), waiter.arrival),
            )
            self._waiting.remove(chosen)
            if chosen.turn.done():
                continue
            for party in chosen.parties:
                self._last_turns[party] = next(self._numbers)
            self._free -= 1
            chosen.turn.set_result(None)

    def _release_thread(self) -> None:
        self._free += 1
        self._start_next()

    def _finished(self, running: asyncio.Future[Any]) -> None:
        if not running.cancelled():
            running.exception()  # marks it as retrieved: after a disconnect no caller does
        self._release_thread()


def _last_of_fullest(waiting: Sequence[_Waiter]) -> _Waiter:
    """Return the newest waiter of the address, then of the account, with the most waiters."""
    counts = Counter(party for waiter in waiting for party in waiter.parties)
    return max(waiting, key=lambda waiter: (*(counts[party] for party in waiter.parties), waiter.arrival))


def _lower_priority() -> None:
    """Lower the thread's priority below the event loop's: hashing uses a whole core, every other request only a bit."""
    if sys.platform == "linux":
        # Linux has a niceness per thread, and every process may raise its own.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
