"""Operations: the requests that people intend to send."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias

CURRENCY = "BRL"

Arm: TypeAlias = Literal["cached", "uncached"]
"""With or without the cache, for a read of which both are compared."""


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
    OVERDRAFT = "overdraft"  # an amount that most likely exceeds the balance
    REPLAY = "replay"  # same key, same content, after the first has its answer
    DUPLICATE = "duplicate"  # same key, same content, at the same moment
    CONFLICT = "conflict"  # same key, one other field, after the first has its answer
    ZERO_AMOUNT = "zero_amount"
    NEGATIVE_AMOUNT = "negative_amount"
    TOO_PRECISE = "too_precise"
    SAME_ACCOUNT = "same_account"
    UNKNOWN_ACCOUNT = "unknown_account"
    MISTYPED_NUMBER = "mistyped_number"
    OTHER_CURRENCY = "other_currency"
    NOT_MINE = "not_mine"  # the account of another person
    CLOSED_TOKEN = "closed_token"  # noqa: S105 - the name of an intent, no token
    NO_TOKEN = "no_token"  # noqa: S105 - as above
    FORBIDDEN = "forbidden"  # an action that only staff may do
    RESPELLED = "respelled"  # same key, same meaning, another spelling, after the first has its answer
    ALIAS = "alias"  # same key in the same document as the operation in `follows`, right after it
    OTHER_MUTATION = "other_mutation"  # a key that was used for another mutation
    OTHER_CALLER = "other_caller"  # a key that another person has used
    KEY_MISSING = "key_missing"
    KEY_EMPTY = "key_empty"
    KEY_TOO_LONG = "key_too_long"
    KEY_MALFORMED = "key_malformed"
    EXCEEDS = "exceeds"  # more than the amount of the original or of the hold
    NEXT_PAGE = "next_page"  # the page after the one that the operation in `follows` read


KEY_INTENTS = frozenset({Intent.KEY_MISSING, Intent.KEY_EMPTY, Intent.KEY_TOO_LONG, Intent.KEY_MALFORMED})


@dataclass(slots=True)
class Operation:
    """One request that a person intends to send, `at_ns` nanoseconds after the start of its phase.

    The phases are setup, warmup, drive, overtime, recovery, idle and final. The phase `overtime` continues the drive,
    and its `at_ns` counts from the start of the drive. In the phase `idle`, after the last request of the drive,
    `at_ns` is the number of a burst.

    `account` and `target` are numbers of planned accounts. `account` is debited, read, opened or, in a deposit,
    credited. `amount` is the text that is sent, valid or not. `slot` selects the worker. An operation `follows` the one
    that it repeats; if it `waits`, it is sent after the answer to that one. It is also sent after the answer to the
    operation in `after`, which may be of another person, and to the one in `about`, whose answer contains the hold or
    the transaction.

    A batch of transfers has `items`, each with a target and an amount. A hold ends after `life_ms`; an operation with
    `life_ms` that ends a hold is sent that long after the end of the hold. A statement ends `age_ms` before the
    request. `text` is a description or a reason.

    `index` is the number in the plan. It is set after the plan is drawn, and nothing changes after that.
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
        """Return the number in the plan, which is unique."""
        return self.index

    @property
    def awaited(self) -> tuple["Operation", ...]:
        """The operations that must have their answer before this one is sent."""
        awaited = (self.follows if self.waits else None, self.after, self.about)
        return tuple(operation for operation in awaited if operation is not None)
