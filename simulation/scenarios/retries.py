"""Every way to retry, right and wrong: at once, later, on another worker, fifty at a time, in two aliases.

Retries also come in another spelling, with another token, and after money has arrived. Keys are missing, malformed,
used by another person, or used for another request. Some keys were sent before in a request that was forbidden or
mistyped. Each key has one effect.
"""

from simulation.model.scenario import Scenario

SCENARIO = Scenario(
    name="retries",
    summary=__doc__.strip(),
    mix={
        "me": 14,
        "balance": 10,
        "history": 4,
        "transfer": 12,
        "overdraft": 2,
        "retry": 6,
        "conflict": 3,
        "deposit": 2,
        "open_account": 0.5,
        "respelled": 4,
        "aliases": 4,
        "other_mutation": 3,
        "other_caller": 4,
        "wrong_key": 6,
        "corrected": 3,
        "unauthorised": 4,
        "refreshed": 3,
        "refused_then_funded": 4,
        "burst": 1.5,
    },
    people=40,
    duration_s=40,
    rate=25,
    workers=2,
    expects=frozenset(
        {
            "transfers",
            "deposits",
            "insufficient_funds",
            "replays",
            "concurrent_duplicates",
            "key_bursts",
            "key_conflicts",
            "keys_for_another_mutation",
            "keys_of_other_callers",
            "respelled_replays",
            "aliased_replays",
            "aliased_conflicts",
            "replays_with_a_new_token",
            "replayed_refusals_despite_money",
            "keys_missing",
            "keys_empty",
            "keys_too_long",
            "keys_malformed",
            "keys_free_after_wrong_input",
            "keys_free_without_a_token",
            "keys_free_when_forbidden",
            "household_answers",
            "ledger_snapshots",
        }
    ),
    criteria=frozenset(),
)
