"""Turns at the threads that hash passwords: bounded, and shared out by client address and account.

A hash takes 45 ms of a core, so that a few hundred logins at once are a queue of many seconds. Here nobody waits behind
another's flood: the next turn is for whichever address has had none for longest, then for the account of which that is
true, and when the queue is full, whoever waits most often loses a place.
"""

import asyncio
import ipaddress
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
from bank.telemetry.context import current_context

# More threads than cores only make each login slower; two keep a worker's memory for hashing under 40 MiB.
THREADS = 2
# The last of these waits a second and a half where a core is free; nobody should wait longer to hear that they cannot
# log in, so on a busy machine the time decides.
WAITING_MAX = 64
WAIT_MAX_S = 2.0
# Who has had a turn lately, by address and by account: forgotten sooner, somebody waits one turn longer.
TURNS_REMEMBERED = 10_000
# A tenth of the share of the event loop's thread, where both want the same core.
_NICENESS = 10


@dataclass(eq=False, slots=True)
class _Waiting:
    """Somebody who waits for a turn. `parties` are the client address and the account, in this order."""

    parties: tuple[str, str]
    arrival: int
    turn: asyncio.Future[None]


class HashingThreads:
    """Runs functions on a few threads, in turns."""

    def __init__(self) -> None:
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="argon2", initializer=_give_way)
        self._free = THREADS
        self._waiting: list[_Waiting] = []
        self._numbers = itertools.count(1)
        self._turns: FIFOCache[str, int] = FIFOCache(TURNS_REMEMBERED)

    async def run(self, prepare: Callable[[], Awaitable[Callable[[], Any]]], *, account: str) -> Any:
        """Return what the function that `prepare` returns returns, for an account from the address of the request.

        `prepare` is awaited when the turn has come, so that whoever waits keeps nothing else busy.
        Raises `Overloaded` where too many wait, or for too long.
        """
        await self._turn(account)
        try:
            work = await prepare()
        except BaseException:
            self._release()
            raise
        running = asyncio.get_running_loop().run_in_executor(self._threads, work)
        running.add_done_callback(self._ended)
        # A client that leaves does not stop the thread: its turn lasts until the thread is free.
        return await asyncio.shield(running)

    async def _turn(self, account: str) -> None:
        context = current_context()
        parties = (f"address {_network(context.ip_address if context else None)}", f"account {account}")
        waiting = _Waiting(parties, next(self._numbers), asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if len(self._waiting) > WAITING_MAX:
            self._send_away(_most_crowded(self._waiting))
        self._start()
        late = asyncio.get_running_loop().call_later(WAIT_MAX_S, self._send_away, waiting)
        try:
            await waiting.turn
        except BaseException:
            if waiting in self._waiting:
                self._waiting.remove(waiting)
            elif waiting.turn.done() and not waiting.turn.cancelled() and waiting.turn.exception() is None:
                self._release()  # the client has left at the moment of its turn
            raise
        finally:
            late.cancel()

    def close(self) -> None:
        """Stop the threads, once those at work are done."""
        for waiting in list(self._waiting):
            self._send_away(waiting)
        self._threads.shutdown()

    def _send_away(self, waiting: _Waiting) -> None:
        if waiting in self._waiting:
            self._waiting.remove(waiting)
            if not waiting.turn.done():
                waiting.turn.set_exception(Overloaded("Too many people log in at once; try again in a moment."))

    def _start(self) -> None:
        while self._free and self._waiting:
            chosen = min(
                self._waiting, key=lambda one: (*(self._turns.get(party, 0) for party in one.parties), one.arrival)
            )
            self._waiting.remove(chosen)
            if chosen.turn.done():
                continue
            for party in chosen.parties:
                self._turns[party] = next(self._numbers)
            self._free -= 1
            chosen.turn.set_result(None)

    def _release(self) -> None:
        self._free += 1
        self._start()

    def _ended(self, running: asyncio.Future[Any]) -> None:
        if not running.cancelled():
            running.exception()  # somebody has it, or has left
        self._release()


def _most_crowded(waiting: Sequence[_Waiting]) -> _Waiting:
    """Return the last to come of those from the address, then for the account, for which most wait."""
    counts = Counter(party for one in waiting for party in one.parties)
    return max(waiting, key=lambda one: (*(counts[party] for party in one.parties), one.arrival))


def _network(address: str | None) -> str:
    """Return what one client can hardly have many of: an IPv4 address, or the /64 network of an IPv6 address."""
    try:
        known = ipaddress.ip_address(address or "")
    except ValueError:
        return address or "none"
    if isinstance(known, ipaddress.IPv6Address):
        return str(known.ipv4_mapped or ipaddress.ip_network((int(known) >> 64 << 64, 64)))
    return str(known)


def _give_way() -> None:
    """Let the event loop go first where cores are scarce: hashing keeps a core busy, everybody else needs moments."""
    if sys.platform == "linux":
        # There a thread has a niceness of its own; a process may always be nicer.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
