"""The types of notifications, each with its channels, its variables, and whether a person may switch it off."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType


class Channel(StrEnum):
    """A way to a person."""

    EMAIL = "EMAIL"
    SMS = "SMS"
    PUSH = "PUSH"
    IN_APP = "IN_APP"


class VariableKind(StrEnum):
    """The kind of a variable of a template, which decides how a template may use it."""

    TEXT = "TEXT"
    """A text, which is shown as it is."""
    MONEY = "MONEY"
    """An object with `amount` (a decimal string) and `currency`, shown with the filter `money`."""
    MOMENT = "MOMENT"
    """A time with an offset (ISO 8601), shown with the filter `date`, `time` or `datetime`."""
    NUMBER = "NUMBER"
    """An integer, shown with the filter `number`."""
    FLAG = "FLAG"
    """True or false, for conditions."""
    LIST = "LIST"
    """A list of objects, for loops."""


@dataclass(frozen=True, slots=True)
class NotificationType:
    """A type of notifications. `name` is also the name of its template.

    `is_critical` means that a person cannot switch it off, because it protects the person. `channels` are those that
    are used unless the person chooses otherwise. `variables` are those of its template, beside `COMMON`. The value of a
    variable in `optional` may be null. `items` are the members of the elements of a variable that is a list.
    """

    name: str
    explanation: str
    variables: Mapping[str, VariableKind]
    channels: frozenset[Channel]
    is_critical: bool = False
    optional: frozenset[str] = frozenset()
    items: Mapping[str, VariableKind] = field(default_factory=lambda: MappingProxyType({}))


COMMON: Mapping[str, VariableKind] = MappingProxyType({"name": VariableKind.TEXT, "bank_name": VariableKind.TEXT})
"""The variables of every template: the first name of the person, and the name of the bank."""

_TEXT, _MONEY, _MOMENT = VariableKind.TEXT, VariableKind.MONEY, VariableKind.MOMENT
_MAIL = frozenset({Channel.EMAIL, Channel.IN_APP})
_EVERYWHERE = frozenset(Channel)
_ACCOUNT = {"account": _TEXT, "at": _MOMENT}
_MOVED = {**_ACCOUNT, "amount": _MONEY, "balance": _MONEY, "transaction": _TEXT}
_PAYMENT = {**_MOVED, "counterparty": _TEXT, "description": _TEXT}
_HOLD = {**_ACCOUNT, "amount": _MONEY, "counterparty": _TEXT}
_PLACE = {"at": _MOMENT, "device": _TEXT, "address": _TEXT}
_UNKNOWN_PLACE = frozenset({"device", "address"})
_DESCRIBED = frozenset({"description"})


def _security(name: str, explanation: str, variables: Mapping[str, VariableKind]) -> NotificationType:
    optional = _UNKNOWN_PLACE & variables.keys()
    return NotificationType(name, explanation, variables, _EVERYWHERE, is_critical=True, optional=optional)


_TYPES = (
    NotificationType("welcome", "Somebody has become a customer.", {}, _MAIL),
    NotificationType("account_opened", "An account was opened.", _ACCOUNT, _MAIL),
    NotificationType("account_frozen", "An account was frozen by the bank.", _ACCOUNT, _EVERYWHERE, is_critical=True),
    NotificationType("account_unfrozen", "An account can be used again.", _ACCOUNT, _EVERYWHERE, is_critical=True),
    NotificationType("account_closed", "An account was closed.", _ACCOUNT, _MAIL, is_critical=True),
    NotificationType("transfer_sent", "Money was sent.", _PAYMENT, _EVERYWHERE, optional=_DESCRIBED),
    NotificationType("transfer_received", "Money has arrived.", _PAYMENT, _EVERYWHERE, optional=_DESCRIBED),
    NotificationType("deposit_received", "Money was paid in.", _MOVED, _EVERYWHERE),
    NotificationType("withdrawal_made", "Money was paid out.", _MOVED, _EVERYWHERE),
    NotificationType("fee_charged", "A fee was charged.", _MOVED, _MAIL),
    NotificationType(
        "payment_reversed",
        "A payment was reversed; `is_credit` tells whether money came back.",
        {**_MOVED, "is_credit": VariableKind.FLAG},
        _EVERYWHERE,
    ),
    NotificationType(
        "payment_refused",
        "A payment was refused.",
        {**_ACCOUNT, "amount": _MONEY, "reason": _TEXT},
        frozenset({Channel.PUSH, Channel.IN_APP}),
    ),
    NotificationType("hold_authorized", "Money is held for a payee.", {**_HOLD, "expires_at": _MOMENT}, _MAIL),
    NotificationType("hold_captured", "Held money was paid.", {**_HOLD, "balance": _MONEY}, _EVERYWHERE),
    NotificationType("hold_released", "Held money is free again.", _HOLD, _MAIL),
    NotificationType("hold_expired", "A hold has ended by itself.", _HOLD, _MAIL),
    NotificationType(
        "low_balance",
        "The balance of an account has fallen below the threshold of its owner.",
        {**_ACCOUNT, "balance": _MONEY, "threshold": _MONEY},
        _EVERYWHERE,
    ),
    _security("new_device", "Somebody has logged in from a device that is not known.", _PLACE),
    _security("password_changed", "The password was changed.", _PLACE),
    _security("email_changed", "The e-mail address was changed.", {**_PLACE, "new_email": _TEXT}),
    _security("phone_changed", "The phone number was changed.", _PLACE),
    _security(
        "second_factor_changed",
        "The second factor was enrolled, replaced or switched off.",
        {**_PLACE, "is_enabled": VariableKind.FLAG},
    ),
    _security("session_stolen", "A refresh token was used twice, so that its session was ended.", _PLACE),
    _security("login_locked", "Logins wait because of wrong passwords.", {"at": _MOMENT, "until": _MOMENT}),
    _security("unusual_activity", "A rule for suspicious activity has matched.", {"at": _MOMENT, "what": _TEXT}),
    _security("registration_attempted", "Somebody tried to register with the data of a customer.", {"at": _MOMENT}),
    NotificationType(
        "mail_undeliverable",
        "E-mail to the address of the person came back, so that no more is sent there.",
        {"at": _MOMENT, "address": _TEXT},
        frozenset({Channel.IN_APP}),
        is_critical=True,
    ),
    NotificationType(
        "digest",
        "Several notifications in one, for a person who wants them hourly or daily, or instead of a flood.",
        {"count": VariableKind.NUMBER, "items": VariableKind.LIST},
        _MAIL,
        items=MappingProxyType({"subject": _TEXT, "short": _TEXT, "at": _MOMENT}),
    ),
)

NOTIFICATION_TYPES: Mapping[str, NotificationType] = MappingProxyType({one.name: one for one in _TYPES})
"""Every type, by its name."""
