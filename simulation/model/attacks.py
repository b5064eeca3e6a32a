"""Attacks: what attackers plan to try, and their requests as they were sent and answered."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class AttackKind(StrEnum):
    """The kinds of attacks, by name."""

    CREDENTIAL_STUFFING = "credential_stuffing"
    BURST = "burst"
    TOKEN_THEFT = "token_theft"  # noqa: S105 - the name of an attack, no token
    ID_GUESSING = "id_guessing"
    ALIASES = "aliases"
    FORGED_TOKENS = "forged_tokens"
    CANARIES = "canaries"


class Theft(StrEnum):
    """The moment at which a stolen refresh token is used, after its owner has used it."""

    LATE = "late"  # after the grace period, in which a client may repeat a refresh
    SUCCESSOR_USED = "successor_used"  # within the grace period, but the owner has used the successor as well
    IN_GRACE = "in_grace"  # within the grace period, in which it cannot be told from a repeated refresh


ATTACKS: Mapping[AttackKind, str] = MappingProxyType(
    {
        AttackKind.CREDENTIAL_STUFFING: "Guessed passwords for many e-mail addresses",
        AttackKind.BURST: "As many requests as possible from one address",
        AttackKind.TOKEN_THEFT: "Stolen refresh tokens, used after their owners used them",
        AttackKind.ID_GUESSING: "Ids of others in every operation that takes an id",
        AttackKind.ALIASES: "Many operations in one document",
        AttackKind.FORGED_TOKENS: "Changed and forged access tokens",
        AttackKind.CANARIES: "Unique texts in every place of a request",
    }
)
"""The title of each kind of attack."""


class CanaryPath(StrEnum):
    """The places of a request in which an attacker sends a canary."""

    USER_AGENT = "user agent"
    FORWARDED_FOR = "forwarded address"
    HEADERS = "other headers"
    ACCESS_TOKEN = "access token"  # noqa: S105 - the name of a place, no token
    EMAIL = "e-mail address"
    PASSWORD = "password"  # noqa: S105 - as above
    REFRESH_TOKEN = "refresh token"  # noqa: S105 - as above
    FULL_NAME = "name"
    NEW_PASSWORD = "new password"  # noqa: S105 - as above
    CPF = "CPF"
    DESCRIPTION = "description"
    IDEMPOTENCY_KEY = "idempotency key"
    WRONG_TYPE = "object instead of a password"
    UNKNOWN_INPUT = "unknown input field"
    LITERAL = "password as a literal"
    WRONG_LITERAL = "list instead of a password"
    FIELD = "unknown field"
    OPERATION_NAME = "operation name"
    VARIABLE = "list instead of an id"
    DOCUMENT = "document that ends in a text"
    JSON = "body that is no JSON"


SECRET_PATHS = frozenset(
    {
        CanaryPath.ACCESS_TOKEN,
        CanaryPath.PASSWORD,
        CanaryPath.REFRESH_TOKEN,
        CanaryPath.NEW_PASSWORD,
        CanaryPath.WRONG_TYPE,
        CanaryPath.LITERAL,
        CanaryPath.WRONG_LITERAL,
        CanaryPath.JSON,
    }
)
"""The places of secrets, which not even the answer to the sender may repeat."""


class Quota(StrEnum):
    """The rate limits per client address that an attack exceeds, by the field of `Protection`."""

    LOGIN = "login"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Attack:
    """One attack, which begins `at_ns` nanoseconds after the start of the drive.

    `attacker` and `victim` are people of the plan. The attacker sends from the `addresses` in turn. `slot` selects the
    first worker. `guesses` are pairs of an e-mail address and a password, and `theft` is the moment of a theft.
    `canaries` are unique texts, each with its place.
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
    canaries: tuple[tuple[CanaryPath, str], ...] = ()


@dataclass(slots=True, eq=False)
class AttackRequest:
    """One request of an attack. Times are of the clock of `Attempt`, in nanoseconds.

    `step` is its part in the attack. `by_owner` tells the requests of the victim from those of the attacker. Requests
    with the same `twin` must have equal answers, because they differ only in what the attacker must not find out.
    `expected` are the codes that a refusal must have; a request without them must succeed. `operations` is the number
    of root fields, and `quota` the limit that counts them. `canary` is the place of a canary in it. `sent` is the
    body, and `body` the raw answer; neither is written to a file. Without an answer, `failure` is set.
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
    quota: Quota | None = None
    twin: str | None = None
    canary: CanaryPath | None = None
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
