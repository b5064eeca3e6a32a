"""Recording of events without a change of state: refusals, failed logins, and reads by staff.

They are recorded before the response is sent. Many callers share a transaction: while one is being written, events for
the next one are collected. So a flood of refusals uses only one connection of a process.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import structlog

from bank.background import BackgroundTasks
from bank.errors import BankError, Overloaded, Unavailable
from bank.events.event import DomainEvent, EventMetadata
from bank.events.unit_of_work import UnitOfWorkFactory, retry_if_rolled_back

logger = structlog.get_logger(__name__)

# The requests of one transaction: 5 ms in which no other transaction can append to the log.
TRANSACTION_MAX = 256
# Eight transactions. A longer queue would only delay the error `OVERLOADED`.
WAITING_MAX = 2_048


@dataclass(frozen=True, slots=True)
class _Request:
    """The events of one caller, who waits for the future `recorded`."""

    events: Sequence[DomainEvent]
    metadata: EventMetadata
    recorded: asyncio.Future[None]

    def finish(self, error: BankError | None = None) -> None:
        """Set the result or the error, unless the caller was cancelled."""
        if self.recorded.done():
            return
        if error is None:
            self.recorded.set_result(None)
        else:
            # A new instance for each caller, because a shared one would collect the tracebacks of all.
            self.recorded.set_exception(type(error)(error.message))


class EventRecorder:
    """A recorder of events for callers that wait until they are durable."""

    def __init__(self, uow_factory: UnitOfWorkFactory) -> None:
        self._uow_factory = uow_factory
        self._waiting: deque[_Request] = deque()
        self._tasks = BackgroundTasks()
        self._writing: asyncio.Task[None] | None = None

    async def record(self, *events: DomainEvent) -> None:
        """Record events about the current request; return once they are durable.

        Raises `Overloaded` or `Unavailable` if they could not be recorded. Then the request must not succeed either.
        """
        if not events:
            return
        if len(self._waiting) >= WAITING_MAX:
            raise Overloaded("There is more to record than can be written; try again in a moment.")
        metadata = await self._uow_factory.origins.metadata()
        request = _Request(events, metadata, asyncio.get_running_loop().create_future())
        self._waiting.append(request)
        if self._writing is None or self._writing.done():
            self._writing = self._tasks.start("record_events", self._write())
        await request.recorded

    async def close(self) -> None:
        """Write the waiting events."""
        await self._tasks.finish()

    async def _write(self) -> None:
        while self._waiting:
            await self._record([self._waiting.popleft() for _ in range(min(TRANSACTION_MAX, len(self._waiting)))])

    async def _record(self, requests: Sequence[_Request]) -> None:
        try:
            await self._commit(requests)
        except BankError as error:
            _finish(requests, error)
        except Exception:  # a bug with one event must not fail the others, so that each request is recorded alone
            if len(requests) == 1:
                logger.exception("events_not_recorded", events=[type(event).__name__ for event in requests[0].events])
                _finish(requests, BankError("It could not be recorded."))
            else:
                for request in requests:
                    await self._record([request])
        except BaseException:
            _finish(requests, Unavailable("The bank stopped before it could be recorded."))
            raise
        else:
            _finish(requests)

    @retry_if_rolled_back
    async def _commit(self, requests: Sequence[_Request]) -> None:
        async with self._uow_factory.begin() as uow:
            for request in requests:
                for event in request.events:
                    uow.emit(event, request.metadata)


def _finish(requests: Sequence[_Request], error: BankError | None = None) -> None:
    for request in requests:
        request.finish(error)
