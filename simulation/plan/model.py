"""The plan: who does what, and when they mean to. A pure function of the seed, the scenario and the sizes.

Nothing in here reads a clock, an environment or a hash of a string, so the same seed gives the same plan on every
machine and Python; `Plan.hash` is printed by each run to show it.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from functools import cached_property

from simulation.faults.model import PlannedFault
from simulation.plan.people import Person, Role
from simulation.plan.terms import FREE, Terms
from simulation.result import Arm

CURRENCY = "BRL"


class Kind(StrEnum):
    """The kinds of operations; each is one document of `contracts/operations/`."""

    REGISTER = "register"
    LOGIN = "login"
    LOGOUT = "logout"
    REFRESH = "refresh"
    OPEN_ACCOUNT = "open_account"
    DEPOSIT = "deposit"
    TRANSFER = "transfer"
    WITHDRAW = "withdraw"
    BATCH = "transfer_batch"
    REVERSE = "reverse"
    AUTHORIZE = "authorize_hold"
    CAPTURE = "capture_hold"
    RELEASE = "release_hold"
    FREEZE = "freeze_account"
    UNFREEZE = "unfreeze_account"
    LIMIT = "set_limits"
    CLOSE = "close_account"
    ME = "me"
    BALANCE = "balance"
    HISTORY = "history"
    STATEMENT = "statement"
    HOLDS = "holds"
    DAYS = "days"
    LIMITS = "limits"
    AUDIT = "audit_logs"


HOLD_KINDS = frozenset({Kind.AUTHORIZE, Kind.CAPTURE, Kind.RELEASE})
MONEY_KINDS = frozenset({Kind.DEPOSIT, Kind.TRANSFER, Kind.WITHDRAW, Kind.BATCH, Kind.REVERSE, *HOLD_KINDS})
KEYED_KINDS = MONEY_KINDS | {Kind.OPEN_ACCOUNT}
STATE_KINDS = frozenset({Kind.FREEZE, Kind.UNFREEZE, Kind.LIMIT, Kind.CLOSE})
READ_KINDS = frozenset(
    {Kind.ME, Kind.BALANCE, Kind.HISTORY, Kind.STATEMENT, Kind.HOLDS, Kind.DAYS, Kind.LIMITS, Kind.AUDIT}
)


class Intent(StrEnum):
    """The intent of an operation, if the expected response depends on it."""

    PLAIN = "plain"
    OVERDRAFT = "overdraft"  # most likely more than the account holds
    REPLAY = "replay"  # same key, same content, once the first has its answer
    DUPLICATE = "duplicate"  # same key, same content, at the same moment
    CONFLICT = "conflict"  # same key, another field, once the first has its answer
    ZERO_AMOUNT = "zero_amount"
    NEGATIVE_AMOUNT = "negative_amount"
    TOO_PRECISE = "too_precise"
    SAME_ACCOUNT = "same_account"
    UNKNOWN_ACCOUNT = "unknown_account"
    MISTYPED_NUMBER = "mistyped_number"
    OTHER_CURRENCY = "other_currency"
    NOT_MINE = "not_mine"  # somebody else's account
    CLOSED_TOKEN = "closed_token"  # noqa: S105 - the name of an intent, no token
    NO_TOKEN = "no_token"  # noqa: S105 - as above
    FORBIDDEN = "forbidden"  # what only the bank's own people may do
    RESPELLED = "respelled"  # same key, same meaning, in other words, once the first has its answer
    ALIAS = "alias"  # same key in the same document as the one that `follows` names, right after it
    OTHER_MUTATION = "other_mutation"  # a key that stands for something that another mutation did
    OTHER_CALLER = "other_caller"  # a key that somebody else has used
    KEY_MISSING = "key_missing"
    KEY_EMPTY = "key_empty"
    KEY_TOO_LONG = "key_too_long"
    KEY_MALFORMED = "key_malformed"
    EXCEEDS = "exceeds"  # more than the original, or than is held
    NEXT_PAGE = "next_page"  # the page after the one that `follows` read


KEY_INTENTS = frozenset({Intent.KEY_MISSING, Intent.KEY_EMPTY, Intent.KEY_TOO_LONG, Intent.KEY_MALFORMED})


class PlanError(ValueError):
    """No plan can be drawn from these sizes; the message is one sentence that says what would be right."""


@dataclass(frozen=True, slots=True)
class PlannedAccount:
    """An account that a person will open. `in_setup` accounts are open and funded before driving begins."""

    index: int
    person: int
    key: str
    in_setup: bool


@dataclass(frozen=True, slots=True)
class Operation:
    """One request that somebody means to make, `at_ns` nanoseconds after its phase (setup, warmup, drive, heal) began.

    Of the phase `overtime`, which goes on where the drive ends, `at_ns` counts from the beginning of the drive; of the
    phase `rest`, when nobody banks any more, it is the number of a burst.

    `account` and `target` are numbers of planned accounts; `account` is debited, read, opened or (by a deposit) paid
    into. `amount` is what is sent, right or wrong. `slot` picks the worker. An operation `follows` the one that it
    repeats; if it `waits`, it is not sent before that one has its answer. Nor is it sent before the one that it comes
    `after`, which may be anybody's, or the one that it is `about`, whose answer names the hold or the transaction.
    A list of transfers has `items`, a target and an amount each; a hold ends after `life_ms`, and what has
    one and ends a hold is sent so long after its end; of a statement `age_ms`
    says how long before the request it looks back. `text` is a description or a reason.
    """

    index: int
    phase: str
    at_ns: int
    kind: Kind
    intent: Intent
    person: int
    slot: int
    key: str | None = None
    account: int | None = None
    target: int | None = None
    amount: str | None = None
    currency: str = CURRENCY
    arm: Arm | None = None
    page_size: int | None = None
    follows: int | None = None
    waits: bool = False
    after: int | None = None
    about: int | None = None
    items: tuple[tuple[int, str], ...] = ()
    atomic: bool = True
    life_ms: int | None = None
    age_ms: int = 0
    text: str | None = None

    @property
    def awaited(self) -> tuple[int, ...]:
        """The operations that must have their answer before this one is sent."""
        awaited = (self.follows if self.waits else None, self.after, self.about)
        return tuple(index for index in awaited if index is not None)


@dataclass(frozen=True)
class Plan:
    """Everything that is going to be tried. The teller is person 0, the bank's own; the others are customers."""

    seed: int
    scenario: str
    customers: int
    duration_s: float
    rate: float
    workers: int
    people: tuple[Person, ...]
    accounts: tuple[PlannedAccount, ...]
    operations: tuple[Operation, ...]
    faults: tuple[PlannedFault, ...] = ()
    terms: Terms = FREE
    overtime_s: float = 0.0

    @property
    def setup(self) -> Sequence[Operation]:
        """Return what happens before driving: registering, logging in, opening accounts, paying in."""
        return [operation for operation in self.operations if operation.phase == "setup"]

    @property
    def warmup(self) -> Sequence[Operation]:
        """Return what is tried before the drive, since it is rare, or would disturb what is measured there."""
        return [operation for operation in self.operations if operation.phase == "warmup"]

    @property
    def drive(self) -> Sequence[Operation]:
        """Return what people do, in the order of its intended start."""
        return [operation for operation in self.operations if operation.phase == "drive"]

    @property
    def overtime(self) -> Sequence[Operation]:
        """Return what people do after the drive, in the same way, as long as the success criteria are undecided."""
        return [operation for operation in self.operations if operation.phase == "overtime"]

    @property
    def heal(self) -> Sequence[Operation]:
        """Return the probes after the drive, which go on until the service is back after the last fault."""
        return [operation for operation in self.operations if operation.phase == "heal"]

    @property
    def bursts(self) -> Mapping[int, Sequence[Operation]]:
        """Return what is posted for the last times, a few operations at once each time."""
        found: dict[int, list[Operation]] = {}
        for operation in self.operations:
            if operation.phase == "rest":
                found.setdefault(operation.at_ns, []).append(operation)
        return found

    def accounts_of(self, person: int) -> tuple[PlannedAccount, ...]:
        """Return the accounts that a person opens, oldest first."""
        return tuple(account for account in self.accounts if account.person == person)

    def people_with(self, role: Role) -> tuple[Person, ...]:
        """Return the people of one role."""
        return tuple(person for person in self.people if person.role is role)

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of the plan in canonical JSON, in hexadecimal. Names of people are not part of it."""
        document: dict[str, object] = {
            "sizes": [self.seed, self.scenario, self.customers, f"{self.duration_s:g}", f"{self.rate:g}", self.workers],
            "terms": [self.terms.transfer_fee_minor, self.terms.withdrawal_fee_minor],
            "people": [[p.index, p.role.value, p.email, p.cpf, p.password] for p in self.people],
            "accounts": [[a.index, a.person, a.key, a.in_setup] for a in self.accounts],
            "operations": [_canonical(operation) for operation in self.operations],
        }
        if self.faults:
            document["faults"] = [asdict(fault) for fault in self.faults]
        if self.overtime_s:
            document["overtime"] = f"{self.overtime_s:g}"
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(o: Operation) -> list[object]:
    return [
        o.index,
        o.phase,
        o.at_ns,
        o.kind.value,
        o.intent.value,
        o.person,
        o.slot,
        o.key,
        o.account,
        o.target,
        o.amount,
        o.currency,
        o.arm,
        o.page_size,
        o.follows,
        o.waits,
        o.after,
        o.about,
        [list(item) for item in o.items],
        o.atomic,
        o.life_ms,
        o.age_ms,
        o.text,
    ]
