"""Each request that moves money is sent twice at the same moment and once more later.

The second and third requests go to another worker than the first, so only the database can detect them. Each
intention may have one effect, and every further answer must repeat the first one.
"""

from simulation.model.scenario import Scenario

SCENARIO = Scenario(
    name="double_click",
    summary=__doc__.strip(),
    mix={
        "me": 22,
        "balance": 12,
        "history": 6,
        "transfer": 24,
        "overdraft": 4,
        "wrong": 2,
        "conflict": 3,
        "deposit": 4,
        "open_account": 1,
        "refresh": 0.5,
    },
    people=40,
    duration_s=45,
    rate=40,
    workers=2,
    expects=frozenset(
        {
            "transfers",
            "deposits",
            "insufficient_funds",
            "replays",
            "concurrent_duplicates",
            "key_conflicts",
            "household_answers",
            "ledger_snapshots",
        }
    ),
    criteria=frozenset(),
    clicks=3,
)
