"""Attacks: what attackers plan to try, and their requests as they were sent and answered."""

from dataclasses import dataclass, field
from enum import StrEnum


class AttackKind(StrEnum):
    """The kinds of attacks, by name."""

    CREDENTIAL_STUFFING = "credential_stuffing"
    BURST = "burst"
    TOKEN_THEFT = "token_theft"  # noqa: S105 - the name of an attack, no token


class Theft(StrEnum):
    """The moment at which a stolen refresh token is used, after its owner has used it."""

    LATE = "late"  # after the grace period, in which a client may repeat a refresh
    SUCCESSOR_USED = "successor_used"  # within the grace period, but the owner has used the successor as well
    IN_GRACE = "in_grace"  # within the grace period, in which it cannot be told from a repeated refresh


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack, which begins `at_ns` nanoseconds after the start of the drive.

    `attacker` and `victim` are people of the plan. The attacker sends from the `addresses` in turn. `slot` selects the
    first worker. `guesses` are pairs of an e-mail address and a password, and `theft` is the moment of a theft.
    """

    index: int
    kind: AttackKind
    at_ns: int
    attacker: int
    victim: int
    slot: int
    addresses: tuple[str, ...]
    guesses: tuple[tuple[str, str], ...] = ()
    theft: Theft | None = None


@dataclass(slots=True, eq=False)
class AttackRequest:
    """One request of an attack. Times are of the clock of `Attempt`, in nanoseconds.

    `step` is its part in the attack. `by_owner` tells the requests of the victim from those of the attacker. Requests
    with the same `twin` must have equal answers, because they differ only in what the attacker must not find out.
    `expected` are the codes that a refusal must have; a request without them must succeed. `operations` is the number
    of root fields. `sent` is the body, and `body` the raw answer; neither is written to a file. Without an answer,
    `failure` is set.
    """

    attack: Attack
    step: str
    by_owner: bool
    worker: int
    address: str
    invoked_ns: int
    sent: bytes = field(repr=False)
    expected: frozenset[str] = frozenset()
    operations: int = 1
    twin: str | None = None
    ended_ns: int = 0
    status: int | None = None
    codes: tuple[str, ...] = ()
    correlation_id: str | None = None
    failure: str | None = None
    body: bytes | None = field(default=None, repr=False)

    @property
    def is_answered(self) -> bool:
        """Return whether there is an answer to judge: neither a broken connection nor a bank without capacity."""
        return self.failure is None and not set(self.codes) & UNDECIDED

    @property
    def is_refused(self) -> bool:
        """Return whether the answer is a refusal."""
        return bool(self.codes)

    def __str__(self) -> str:
        """Return a text that identifies the request, for a violation."""
        sender = f"person {self.attack.victim}, its owner" if self.by_owner else f"attacker {self.attack.attacker}"
        trace = f", correlation id {self.correlation_id}" if self.correlation_id else ""
        return f"attack {self.attack.index} ({self.attack.kind}, {self.step}, {sender}, worker {self.worker}{trace})"


UNDECIDED = frozenset({"OVERLOADED", "UNAVAILABLE", "OUTCOME_UNKNOWN"})
"""The codes of answers without a decision."""
