"""Expiry of holds: end those whose time is over, so that their money is available again."""

import asyncio
from uuid import UUID

import structlog

from bank.cancelling import raise_if_cancelled
from bank.clock import Clock
from bank.database.pool import Database
from bank.holds.reads import expired_holds
from bank.ledger.command import Command
from bank.ledger.model import Decide, EndHold, LedgerView, Refusal, Step
from bank.ledger.post import BATCH_MAX, Ledger

logger = structlog.get_logger(__name__)

# Money may be held this much longer than promised; a shorter pause would only ask an index more often.
EVERY_S = 1.0


async def expire_holds(ledger: Ledger, database: Database, clock: Clock) -> None:
    """Expire holds until cancelled. Every process does: the ledger ends each hold once."""
    while True:
        try:
            while await expire_once(ledger, database, clock) == BATCH_MAX:
                pass
        except Exception as error:  # noqa: BLE001 - a loop that ended would never expire a hold again
            raise_if_cancelled()
            logger.warning("holds_not_expired", error=error)
        await asyncio.sleep(EVERY_S)


async def expire_once(ledger: Ledger, database: Database, clock: Clock) -> int:
    """Expire the holds whose time is over, one batch of them at most; return how many there were."""
    expired = await expired_holds(database, now=clock.now(), most=BATCH_MAX)
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
