"""The rules of suspicious activity, from `contracts/suspicious_activity.toml`."""

import re
import tomllib
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal

import msgspec

import contracts
from bank.money import parse_amount

CURRENCY = "BRL"
"""The currency of the amounts in the rules."""

Many = Annotated[int, msgspec.Meta(ge=2)]
"""A number that is not reached by one event."""

_UNITS = {"minute": timedelta(minutes=1), "hour": timedelta(hours=1), "day": timedelta(days=1)}
_DURATION = re.compile(r"([1-9][0-9]{0,3}) (minute|hour|day)s?")
_DAY = timedelta(days=1)


def _duration(text: str) -> timedelta:
    match = _DURATION.fullmatch(text)
    if match is None:
        raise ValueError(f"{text} is not a time such as 10 minutes, 24 hours or 180 days")
    return int(match[1]) * _UNITS[match[2]]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The parts of every rule: its title, the type of its subjects, the time that it looks at, and the reason.

    A rule finds a subject once in each `period`.
    """

    title: str
    subject: Literal["Account", "Network", "User"]
    window: str
    period: str
    reason: str

    def __post_init__(self) -> None:
        _duration(self.window)
        if _DAY % _duration(self.period):
            raise ValueError("a day has a whole number of periods")

    @property
    def window_time(self) -> timedelta:
        """The time that the rule looks at."""
        return _duration(self.window)

    def period_of(self, moment: datetime) -> datetime:
        """Return the begin of the period that has this moment in it."""
        midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        period = _duration(self.period)
        return midnight + (moment - midnight) // period * period


class CredentialStuffing(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Failed logins of `accounts` different accounts from one network."""

    accounts: Many


class MassRegistration(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number of `registrations` from one network."""

    registrations: Many


class PaymentRule(Rule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base class of rules about payments of `amount` or more."""

    amount: str

    def __post_init__(self) -> None:
        super().__post_init__()
        parse_amount(self.amount, CURRENCY)

    @property
    def amount_minor(self) -> int:
        """The least amount of a payment."""
        return parse_amount(self.amount, CURRENCY)


class Structuring(PaymentRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A number of `payments` of less than `below` to at most `recipients` accounts, which together have `total`."""

    below: str
    payments: Many
    recipients: Annotated[int, msgspec.Meta(ge=1)]
    total: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.amount_minor < self.below_minor <= self.total_minor:
            raise ValueError("the amounts are in the order amount, below, total")

    @property
    def below_minor(self) -> int:
        """The amount that each payment stays below."""
        return parse_amount(self.below, CURRENCY)

    def is_small(self, amount_minor: int) -> bool:
        """Return whether an amount is in the range that the rule looks at."""
        return self.amount_minor <= amount_minor < self.below_minor

    @property
    def total_minor(self) -> int:
        """The least sum of the payments."""
        return parse_amount(self.total, CURRENCY)


class CashOut(PaymentRule, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A payment of at least `percent` of the balance, after a change of what a login needs."""

    percent: Annotated[int, msgspec.Meta(ge=1, le=100)]


class Rules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every rule, by its name."""

    credential_stuffing: CredentialStuffing
    mass_registration: MassRegistration
    new_device_payment: PaymentRule
    structuring: Structuring
    dormant_account: PaymentRule
    cash_out: CashOut

    @property
    def amount_minor(self) -> int:
        """The least amount of a payment that any rule looks at."""
        rules = (self.new_device_payment, self.structuring, self.dormant_account, self.cash_out)
        return min(rule.amount_minor for rule in rules)

    def of_kind(self, kind: str) -> Rule:
        """Return the rule about observations of networks of a kind."""
        return {"FAILED_LOGIN": self.credential_stuffing, "REGISTRATION": self.mass_registration}[kind]


RULES = msgspec.convert(tomllib.loads(contracts.SUSPICIOUS_ACTIVITY.read_text(encoding="utf-8")), Rules)
"""The rules of the bank."""

NAMES: tuple[str, ...] = Rules.__struct_fields__
"""The names of all rules."""
