"""Expiry of holds: end each hold at its expiry time, so that its money is available again."""

import asyncio
from random import Random
from uuid import UUID

from bank.background import BackgroundLoop
from bank.clock import Clock
from bank.database.pool import Database
from bank.holds.reads import expired_holds
from bank.ledger.model import Command, Decide, EndHold, LedgerView, Step
from bank.ledger.post import BATCH_MAX, Ledger
from bank.refusal import Refusal

# Money may stay reserved for this much longer than promised. A shorter pause would only query the index more often.
EVERY_S = 1.0


def hold_expiry(ledger: Ledger, database: Database, clock: Clock, random: Random) -> BackgroundLoop:
    """Return the loop that expires holds. Every worker runs one; the ledger ends each hold only once."""

    async def run_once() -> bool:
        return await expire_once(ledger, database, clock) == BATCH_MAX

    return BackgroundLoop(
        name="hold_expiry",
        run_once=run_once,
        interval_s=EVERY_S,
        # With jitter, workers that were started together do not query for the same holds at the same moment.
        jitter=0.1,
        random=random,
        failure="holds_not_expired",
    )


async def expire_once(ledger: Ledger, database: Database, clock: Clock) -> int:
    """Expire up to one batch of holds whose expiry time has passed; return their number."""
    expired = await expired_holds(database, now=clock.now(), max_rows=BATCH_MAX)
    commands = [
        Command(
            caller_id=None,
            key=None,
            operation="expireHold",
            digest=b"",
            account_ids=(row["account_id"], row["to_account_id"]),
            hold_ids=(row["id"],),
            decide=(_decide(row["id"]),),
        )
        for row in expired
    ]
    await asyncio.gather(*[ledger.post(command) for command in commands])
    return len(commands)


def _decide(hold_id: UUID) -> Decide:
    def decide(view: LedgerView) -> tuple[Step, ...] | Refusal:
        hold = view.holds[hold_id]
        if hold.status != "AUTHORIZED":
            return Refusal(code="HOLD_ENDED", message="The hold has ended.")
        return (EndHold(hold_id=hold.id, status="EXPIRED"),)

    return decide
