"""A first day of the bank on which attackers are among the people.

Attackers try passwords from elsewhere, one at a time and in aliases. They use stolen refresh tokens, forge access
tokens, try the ids of others, send bursts of requests, and put canaries into every place of a request. The bank has
rate limits, and everybody has a client address of their own. Honest people must not notice the attacks.
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
            "stuffing_detected",
            "bursts_throttled",
            "stolen_tokens_repeated",
            "stolen_tokens_refused",
            "families_ended",
            "victims_log_in_again",
            "ids_of_others_guessed",
            "ids_of_nobody_guessed",
            "large_documents_refused",
            "aliases_throttled",
            "genuine_tokens_accepted",
            "forged_tokens_refused",
            "canaries_sent",
        }
    ),
    criteria=frozenset(),
    attackers=3,
    # A person needs few logins, and the teller and the people of the warm-up send a few hundred requests in the first
    # seconds. An attacker reaches each limit within seconds, also on a busy machine.
    protection=Protection(login=(20, 600), registration=(20, 60), money=(600, 60), read=(600, 20), refresh_grace_s=3),
)
