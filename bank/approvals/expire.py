"""Expiry of requests that nobody has decided in time."""

from random import Random

from bank.approvals.reads import queries
from bank.background import BackgroundLoop
from bank.events.unit_of_work import UnitOfWorkFactory, retry_if_rolled_back
from bank.ledger.approval_policy import Approval, expired
from bank.ledger.approvals import change_approval

# An expired request is refused at once. Only its state in lists and in the log is this much behind.
EVERY_S = 5.0
# Staff make a few requests in an hour; after an outage there may be more. A hundred take some 50 ms.
ROWS_MAX = 100


def approval_expiry(uow_factory: UnitOfWorkFactory, random: Random) -> BackgroundLoop:
    """Return the loop that expires requests. Every worker runs one; the lock of the row lets one of them expire it."""

    async def run_once() -> bool:
        return await expire_once(uow_factory) == ROWS_MAX

    return BackgroundLoop(
        name="approval_expiry",
        run_once=run_once,
        interval_s=EVERY_S,
        # With jitter, workers that were started together do not query for the same requests at the same moment.
        jitter=0.1,
        random=random,
        failure="approvals_not_expired",
    )


@retry_if_rolled_back
async def expire_once(uow_factory: UnitOfWorkFactory) -> int:
    """Expire up to `ROWS_MAX` requests whose expiry time has passed; return their number."""
    async with uow_factory.begin() as uow:
        rows = [row async for row in queries.lock_expired(uow.connection, now=uow.now, max_rows=ROWS_MAX)]
        for row in rows:
            await change_approval(uow, expired(Approval(**row), now=uow.now))
    return len(rows)
