"""Events that have no state of their own to commit with: what was refused, who could not log in, who looked at what.

They are recorded before the answer leaves. Many callers share a transaction: while one is being written the next one
collects, so that however many refusals somebody provokes, a process writes them with one connection.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from bank.background import BackgroundTasks
from bank.errors import BankError, Overloaded, Unavailable
from bank.events.event import DomainEvent, EventMetadata
from bank.events.log import metadata_of
from bank.events.work import Work, again_if_undone
from bank.telemetry.context import current_context

logger = structlog.get_logger(__name__)

# One transaction's worth: 5 ms in which nobody else can append to the log.
TOGETHER_MAX = 256
# Eight transactions; a longer queue only delays the answer "try again".
WAITING_MAX = 2_048


@dataclass(frozen=True, slots=True)
class _Told:
    events: Sequence[DomainEvent]
    metadata: EventMetadata
    recorded: asyncio.Future[None]

    def end(self, error: BankError | None = None) -> None:
        """Let whoever waits go on; where nobody waits any more, nobody needs to."""
        if self.recorded.done():
            return
        if error is None:
            self.recorded.set_result(None)
        else:
            # A fresh instance for each caller: a shared one would collect their tracebacks.
            self.recorded.set_exception(type(error)(error.message))


class EventRecorder:
    """Records events for callers who wait for it."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._waiting: deque[_Told] = deque()
        self._tasks = BackgroundTasks()
        self._writing: asyncio.Task[None] | None = None

    async def record(self, *events: DomainEvent) -> None:
        """Record events about the request at hand; return once they are durable.

        Raises `Overloaded` or `Unavailable` where they could not be recorded: whoever asked must then not be answered.
        """
        if not events:
            return
        if len(self._waiting) >= WAITING_MAX:
            raise Overloaded("There is more to record than can be written; try again in a moment.")
        told = _Told(events, metadata_of(current_context()), asyncio.get_running_loop().create_future())
        self._waiting.append(told)
        if self._writing is None or self._writing.done():
            self._writing = self._tasks.start("record_events", self._write())
        await told.recorded

    async def close(self) -> None:
        """Write what is waiting."""
        await self._tasks.finish()

    async def _write(self) -> None:
        while self._waiting:
            await self._record([self._waiting.popleft() for _ in range(min(TOGETHER_MAX, len(self._waiting)))])

    async def _record(self, together: Sequence[_Told]) -> None:
        try:
            await self._commit(together)
        except BankError as error:
            _end(together, error)
        except Exception:  # a bug in one event: its neighbours are not to suffer from it
            if len(together) == 1:
                logger.exception("not_recorded", events=[type(event).__name__ for event in together[0].events])
                _end(together, BankError("It could not be recorded."))
            else:
                for told in together:
                    await self._record([told])
        except BaseException:
            _end(together, Unavailable("The bank stopped before it could be recorded."))
            raise
        else:
            _end(together)

    @again_if_undone
    async def _commit(self, together: Sequence[_Told]) -> None:
        async with self._work.begin() as uow:
            for told in together:
                for event in told.events:
                    uow.emit(event, told.metadata)


def _end(together: Sequence[_Told], error: BankError | None = None) -> None:
    for told in together:
        told.end(error)
