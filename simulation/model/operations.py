"""Operations: the requests that people mean to make."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

CURRENCY = "BRL"

Arm: TypeAlias = Literal["cached", "uncached"]
"""How a read is to be answered, where both ways are compared."""


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


@dataclass(slots=True)
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

    `index` is its number in the plan, given once the plan is drawn; from then on nothing changes any more.
    """

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
    follows: "Operation | None" = None
    waits: bool = False
    after: "Operation | None" = None
    about: "Operation | None" = None
    items: tuple[tuple[int, str], ...] = ()
    atomic: bool = True
    life_ms: int | None = None
    age_ms: int = 0
    text: str | None = None
    index: int = -1

    def __hash__(self) -> int:
        """Return the number in the plan, which no other operation of it has."""
        return self.index

    @property
    def awaited(self) -> tuple["Operation", ...]:
        """The operations that must have their answer before this one is sent."""
        awaited = (self.follows if self.waits else None, self.after, self.about)
        return tuple(operation for operation in awaited if operation is not None)
