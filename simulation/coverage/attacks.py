"""Coverage of attacks: what attackers tried, and what became of it."""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from simulation.attacks.steal_token import AFTERWARDS, AGAIN, DETECTED, STOLEN
from simulation.attacks.stuff_credentials import GUESS
from simulation.judge.evidence import Evidence
from simulation.model.attacks import AttackKind

Count = Callable[[Evidence], int]


def _refused(step: str, *codes: str) -> Count:
    """Count the requests of this step that were refused with one of these codes."""
    return lambda evidence: sum(
        request.step == step and bool(set(codes) & set(request.codes)) for request in evidence.attack_requests
    )


def _accepted(step: str) -> Count:
    return lambda evidence: sum(
        request.step == step and request.is_answered and not request.is_refused for request in evidence.attack_requests
    )


def _throttled(kind: AttackKind) -> Count:
    return lambda evidence: sum(
        request.attack.kind is kind and "RATE_LIMITED" in request.codes for request in evidence.attack_requests
    )


ATTACK_COVERAGE: Mapping[str, tuple[str, Count]] = MappingProxyType(
    {
        "guessed_passwords_refused": ("Guessed passwords refused", _refused(GUESS, "INVALID_CREDENTIALS")),
        "guesses_throttled": ("Guesses of passwords throttled", _throttled(AttackKind.CREDENTIAL_STUFFING)),
        "bursts_throttled": ("Requests of bursts throttled", _throttled(AttackKind.BURST)),
        "stolen_tokens_repeated": ("Stolen tokens accepted within the grace period", _accepted(STOLEN)),
        "stolen_tokens_refused": ("Stolen refresh tokens refused", _refused(DETECTED, "INVALID_REFRESH_TOKEN")),
        "families_ended": (
            "Tokens refused after a theft of their session",
            _refused(AFTERWARDS, "UNAUTHENTICATED", "INVALID_REFRESH_TOKEN"),
        ),
        "victims_log_in_again": ("Victims who logged in again", _accepted(AGAIN)),
    }
)
"""The coverage of attacks by name: its title and its count."""
