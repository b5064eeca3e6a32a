"""Coverage of attacks: what attackers tried, and what became of it."""

from collections import Counter
from collections.abc import Callable, Mapping
from types import MappingProxyType

from simulation.attacks.alias_requests import ALL_AT_ONCE, TOO_LARGE
from simulation.attacks.forge_tokens import FORGED, GENUINE
from simulation.attacks.guess_ids import OF_NOBODY, OF_OTHERS
from simulation.attacks.send_canaries import CANARY
from simulation.attacks.steal_token import AFTERWARDS, AGAIN, DETECTED, STOLEN
from simulation.attacks.stuff_credentials import DETECTED as SUSPICION
from simulation.attacks.stuff_credentials import GUESS, RULE
from simulation.judge.evidence import Evidence
from simulation.model.attacks import ATTACKS, AttackKind
from simulation.model.result import AttackResult

Count = Callable[[Evidence], int]


def _refused(step: str, *codes: str) -> Count:
    """Count the requests of this step that were refused with one of these codes."""
    return lambda evidence: sum(
        request.step == step and bool(set(codes) & set(request.codes)) for request in evidence.attack_requests
    )


def _sent(step: str) -> Count:
    return lambda evidence: sum(r.step == step and r.is_answered for r in evidence.attack_requests)


def _accepted(step: str) -> Count:
    return lambda evidence: sum(
        request.step == step and request.is_answered and not request.is_refused for request in evidence.attack_requests
    )


def _throttled(kind: AttackKind) -> Count:
    return lambda evidence: sum(
        request.attack.kind is kind and "RATE_LIMITED" in request.codes for request in evidence.attack_requests
    )


def _found(rule: str) -> Count:
    """Count the events of suspicious activity that a rule has found."""
    return lambda evidence: sum(
        event.event_type == SUSPICION and event.data["rule"] == rule
        for event in (evidence.database.events if evidence.database else ())
    )


def attack_results(evidence: Evidence) -> tuple[AttackResult, ...]:
    """Return the requests and answers of each kind of attack that was planned, in the order of the kinds."""
    planned = Counter(attack.kind for attack in evidence.plan.attacks)
    return tuple(_result(evidence, kind, planned[kind]) for kind in AttackKind if planned[kind])


def _result(evidence: Evidence, kind: AttackKind, attacks: int) -> AttackResult:
    requests = [request for request in evidence.attack_requests if request.attack.kind is kind]
    own = [request for request in requests if not request.by_owner]
    return AttackResult(
        kind=kind.value,
        title=ATTACKS[kind],
        attacks=attacks,
        requests=len(own),
        served=sum(request.is_answered and not request.is_refused for request in own),
        refused=sum(request.is_refused for request in own),
        throttled=sum("RATE_LIMITED" in request.codes for request in own),
        victims=len(requests) - len(own),
    )


ATTACK_COVERAGE: Mapping[str, tuple[str, Count]] = MappingProxyType(
    {
        "guessed_passwords_refused": ("Guessed passwords refused", _refused(GUESS, "INVALID_CREDENTIALS")),
        "stuffing_detected": ("Detections of credential stuffing", _found(RULE)),
        "guesses_throttled": ("Guesses of passwords throttled", _throttled(AttackKind.CREDENTIAL_STUFFING)),
        "bursts_throttled": ("Requests of bursts throttled", _throttled(AttackKind.BURST)),
        "stolen_tokens_repeated": ("Stolen tokens accepted within the grace period", _accepted(STOLEN)),
        "stolen_tokens_refused": ("Stolen refresh tokens refused", _refused(DETECTED, "INVALID_REFRESH_TOKEN")),
        "families_ended": (
            "Tokens refused after a theft of their session",
            _refused(AFTERWARDS, "UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"),
        ),
        "ids_of_others_guessed": ("Requests with ids of others", _sent(OF_OTHERS)),
        "ids_of_nobody_guessed": ("Requests with ids of nobody", _sent(OF_NOBODY)),
        "large_documents_refused": (
            "Documents with a hundred aliases refused",
            _refused(ALL_AT_ONCE, *TOO_LARGE),
        ),
        "aliases_throttled": ("Documents with aliased logins throttled", _throttled(AttackKind.ALIASES)),
        "genuine_tokens_accepted": ("Tokens signed by the simulation accepted", _accepted(GENUINE)),
        "forged_tokens_refused": ("Forged tokens refused", _refused(FORGED, "UNAUTHENTICATED")),
        "canaries_sent": ("Requests with a canary", _sent(CANARY)),
        "victims_log_in_again": ("Victims who logged in again", _accepted(AGAIN)),
    }
)
"""The coverage of attacks by name: its title and its count."""
