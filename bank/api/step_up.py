"""The refusal of payments that need a fresh second factor, before the ledger sees them (decision 0043)."""

from collections.abc import Sequence

from bank.api.resolver_context import ResolverContext
from bank.api.serializers import JsonObject
from bank.idempotency.keys import check_key, find_record
from bank.ledger.policy import check_amount
from bank.refusal import Refusal


async def refuse_step_up(
    context: ResolverContext, action: str, key: str, amounts: Sequence[JsonObject], *, field: str = "amount"
) -> Refusal | None:
    """Return the refusal of payments that together need a fresh second factor, and record it.

    An invalid amount or key is left to the use case. So is a key that was used before, because then nothing is moved:
    a retry gets the stored outcome, however old the proof is by now (R12).
    """
    bank, caller = context.bank, context.authenticated_caller
    amounts_minor = [check_amount(amount["amount"], amount["currency"]) for amount in amounts]
    total_minor = sum(amount_minor for amount_minor in amounts_minor if isinstance(amount_minor, int))
    if not bank.step_up.needs_code(caller, total_minor, bank.clock.now()) or check_key(key) is not None:
        return None
    async with bank.database.connection() as connection:
        if await find_record(connection, caller_id=caller.user_id, key=key) is not None:
            return None
    refusal = bank.step_up.refusal(caller, field)
    context.record_refusal(action, refusal.code)
    return refusal
