"""One merchant receives all payments on one account, at a high rate, and reads it all the time.

This shows the effects of waiting: lost updates, deadlocks, a growing queue.
"""

from simulation.model.scenario import Scenario

SCENARIO = Scenario(
    name="hot_account",
    summary=__doc__.strip(),
    mix={
        "me": 10,
        "balance": 14,
        "history": 6,
        "transfer": 60,
        "overdraft": 3,
        "retry": 5,
        "conflict": 1,
        "deposit": 1,
    },
    people=40,
    duration_s=45,
    rate=120,
    workers=2,
    expects=frozenset(
        {
            "transfers",
            "insufficient_funds",
            "replays",
            "key_conflicts",
            "household_answers",
            "hot_account_postings",
            "ledger_snapshots",
        }
    ),
    criteria=frozenset(),
    one_merchant=True,
    household_share=0.1,
)
