"""Search of the log by the time at which events were stored."""

from datetime import datetime, timedelta
from typing import Any

from bank.events.log import queries

# The time of an event is set before its commit, by the clocks of several machines. A statement's time-out of at most a
# minute limits the delay of the commit. So times are out of the order of positions by some seconds; this is a generous
# bound.
DISORDER_MAX = timedelta(minutes=5)


async def first_position_since(connection: Any, moment: datetime) -> int:
    """Return the position of the first event stored at `moment` or later; the head plus one if there is none.

    Positions are dense, and times grow with them except for `DISORDER_MAX`. So a bisection finds a position that is
    certainly not after the first such event, and from there the log is read.
    """
    head = int(await queries.read_head(connection))
    low, high = 1, head + 1
    while low < high:
        middle = (low + high) // 2
        row = await queries.moment_at(connection, position=middle)
        if row is None or row["created_at"] + DISORDER_MAX >= moment:
            high = middle
        else:
            low = row["position"] + 1
    found = await queries.first_since(connection, position=low, moment=moment)
    return head + 1 if found is None else int(found)
