"""The bank's first day: people look at their money, pay one another, retry, mistype, and pay more than they have.

Three of four requests read. Popularity is Zipf, so a few people and accounts are looked at and paid all the
time. Households move money between their own accounts while they look at them.
"""

from simulation.scenarios.shape import ALL_CRITERIA, Scenario

SCENARIO = Scenario(
    name="first_day",
    summary=__doc__.strip(),
    mix={
        "me": 34,
        "balance": 24,
        "history": 15,
        "next_page": 2,
        "transfer": 13.5,
        "overdraft": 2,
        "wrong": 2.5,
        "not_mine": 1,
        "retry": 2.5,
        "conflict": 1,
        "deposit": 1.6,
        "open_account": 0.2,
        "refresh": 0.7,
        "relogin": 0.5,
    },
    people=60,
    duration_s=60,
    rate=70,
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
