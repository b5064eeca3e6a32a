"""A first day of the bank on which attackers are among the people.

Attackers try passwords from elsewhere, use stolen refresh tokens, and send bursts of requests. The bank has rate
limits, and everybody has a client address of their own. Honest people must not notice the attacks.
"""

from simulation.model.protection import Protection
from simulation.model.scenario import Scenario
from simulation.scenarios.first_day import SCENARIO as FIRST_DAY

SCENARIO = Scenario(
    name="attack_day",
    summary=__doc__.strip(),
    mix=FIRST_DAY.mix,
    people=20,
    duration_s=20,
    rate=40,
    workers=2,
    expects=frozenset(
        {
            "transfers",
            "insufficient_funds",
            "household_answers",
            "ledger_snapshots",
            "guessed_passwords_refused",
            "guesses_throttled",
            "bursts_throttled",
            "stolen_tokens_repeated",
            "stolen_tokens_refused",
            "families_ended",
            "victims_log_in_again",
        }
    ),
    criteria=frozenset(),
    attackers=3,
    # A person needs two logins a minute, and the teller and the people of the warm-up send a few hundred requests in
    # the first seconds. An attacker reaches each limit within a second.
    protection=Protection(login=(20, 60), registration=(20, 60), money=(600, 60), read=(600, 20), refresh_grace_s=3),
)
