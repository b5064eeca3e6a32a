"""Finding events in the log: by the time they were stored at."""

from datetime import datetime, timedelta
from typing import Any

from bank.events.log import queries

# An event is stamped before its commit, which a statement's time-out (a minute at most) bounds, and by the clocks of
# several machines; so stamps are out of the order of positions by seconds. This is a generous bound for that.
DISORDER_MAX = timedelta(minutes=5)


async def first_position_since(connection: Any, moment: datetime) -> int:
    """Return the position of the first event stored at `moment` or later; one past the head where there is none.

    Positions are dense and stamps nearly grow with them. So a bisection finds a place that is certainly before every
    such event, and from there the log is read.
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
