"""Salaries are paid as transfer batches, and people spend them.

Shops authorize holds and capture them whole or in part, release them or let them expire. People withdraw cash and get
refunds, whole or in part, and are refused a refund that exceeds the original. Staff freeze and limit accounts in the
middle. The bank charges fees for transfers and withdrawals.
"""

from simulation.model.scenario import Scenario
from simulation.model.terms import Terms

SCENARIO = Scenario(
    name="payday",
    summary=__doc__.strip(),
    mix={
        "me": 14,
        "balance": 10,
        "history": 5,
        "statement": 6,
        "holds": 6,
        "payment": 8,
        "salaries": 4,
        "withdrawal": 6,
        "purchase": 12,
        "household_purchase": 5,
        "spend_held_money": 1,
        "refund": 7,
        "freeze": 2,
        "limit": 0.6,
        "close": 1.5,
        "replay": 6,
        "retry": 2,
        "conflict": 1,
        "overdraft": 1,
        "deposit": 1,
    },
    people=40,
    duration_s=45,
    rate=40,
    workers=2,
    expects=frozenset(
        {
            "transfers",
            "deposits",
            "withdrawals",
            "batches_executed_whole",
            "batches_refused_whole",
            "batches_executed_in_part",
            "holds_authorized",
            "holds_captured",
            "holds_captured_in_part",
            "holds_released",
            "holds_expired",
            "held_money_refused",
            "holds_ended_already",
            "captures_beyond_the_hold",
            "reversals",
            "reversals_beyond_the_original",
            "fees",
            "accounts_frozen",
            "accounts_closed",
            "refused_while_frozen",
            "refused_when_closed",
            "refused_beyond_limits",
            "accounts_not_empty",
            "statements",
            "insufficient_funds",
            "replays",
            "key_conflicts",
            "household_answers",
            "ledger_snapshots",
        }
    ),
    criteria=frozenset(),
    employers=2,
    terms=Terms(transfer_fee_minor=35, withdrawal_fee_minor=290),
)
