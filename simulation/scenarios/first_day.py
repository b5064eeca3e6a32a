"""The first day of a bank: people read balances, pay each other, retry, mistype, and try to pay too much.

Nine of ten requests are reads, as in other banks. Popularity follows a Zipf distribution, so a few people and
accounts get most of the reads and payments. Households move money between their own accounts while they read them.
"""

from simulation.model.scenario import ALL_CRITERIA, Scenario

SCENARIO = Scenario(
    name="first_day",
    summary=__doc__.strip(),
    mix={
        "me": 36,
        "balance": 30,
        "history": 22,
        "next_page": 4,
        "transfer": 4,
        "overdraft": 0.7,
        "wrong": 0.7,
        "not_mine": 0.4,
        "retry": 0.8,
        "conflict": 0.5,
        "deposit": 0.4,
        "open_account": 0.1,
        "refresh": 0.4,
        "relogin": 0.3,
        "respelled": 0.15,
        "corrected": 0.1,
        "other_caller": 0.1,
        "wrong_key": 0.15,
    },
    people=60,
    duration_s=60,
    rate=100,
    workers=1,
    expects=frozenset(
        {
            "transfers",
            "deposits",
            "insufficient_funds",
            "wrong_input_refused",
            "replays",
            "key_conflicts",
            "cache_hits",
            "cache_misses",
            "household_answers",
            "closed_token_refused",
            "ledger_snapshots",
        }
    ),
    criteria=ALL_CRITERIA,
)
