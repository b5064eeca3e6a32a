"""Amounts of money: integers in minor units with a currency, and exact decimal strings for clients, never floats."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of ISO 4217: its code, and the number of decimal digits of its amounts."""

    code: str
    digits: int


# The currencies of the bank's accounts. Another currency only needs an entry here, since all code reads its digits.
CURRENCIES: Mapping[str, Currency] = MappingProxyType({currency.code: currency for currency in (Currency("BRL", 2),)})

# The range of a bigint column; a balance outside of it could not be written.
MIN_AMOUNT_MINOR = -(2**63)
MAX_AMOUNT_MINOR = 2**63 - 1

# The largest amount of one posting, R$ 999,999,999.99. It is above any retail payment, and one account can receive
# 92 million of them before its balance could overflow a bigint.
MAX_POSTING_MINOR = 99_999_999_999

# The longest int64 has 19 digits, and a sign and a point. A longer text is refused before it is parsed.
_TEXT_MAX = 21

_AMOUNT = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")


class UnknownCurrencyError(ValueError):
    """The bank has no accounts in this currency."""


class InvalidAmountError(ValueError):
    """The text is not an exact amount of the currency. The message has the reason, but never repeats the text."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in the minor units of its currency (centavos for BRL); negative for a debit."""

    amount_minor: int
    currency: str

    def __str__(self) -> str:
        return f"{format_amount(self.amount_minor, self.currency)} {self.currency}"


def currency_of(code: str) -> Currency:
    """Return the currency with this code. Raises UnknownCurrencyError for an unknown code."""
    currency = CURRENCIES.get(code)
    if currency is None:
        raise UnknownCurrencyError("The bank keeps no accounts in this currency.")
    return currency


def parse_amount(text: str, currency: str) -> int:
    """Return the minor units of a decimal string such as "10.50".

    A leading minus is accepted, because a change of balance can have one; callers refuse it where it makes no sense.
    Raises InvalidAmountError for exponents, plus signs, separators, leading zeros, more decimals than the currency has,
    and amounts beyond a bigint.
    """
    digits = currency_of(currency).digits
    if not isinstance(text, str):
        raise InvalidAmountError("An amount is a decimal string, never a number.")
    match = _AMOUNT.fullmatch(text) if len(text) <= _TEXT_MAX else None
    if match is None:
        raise InvalidAmountError("An amount is a plain decimal string, such as 10.50.")
    sign, whole, fraction = match.group(1), match.group(2), match.group(3) or ""
    if len(fraction) > digits:
        raise InvalidAmountError(f"An amount in {currency} has at most {digits} decimals.")
    amount_minor = int(sign + whole + fraction.ljust(digits, "0"))
    if not MIN_AMOUNT_MINOR <= amount_minor <= MAX_AMOUNT_MINOR:
        raise InvalidAmountError("The amount is beyond what the bank can hold.")
    return amount_minor


def format_amount(amount_minor: int, currency: str) -> str:
    """Return the decimal string of an amount, with all of the currency's decimals: 1050 BRL is "10.50"."""
    digits = currency_of(currency).digits
    if digits == 0:
        return str(amount_minor)
    text = str(abs(amount_minor)).zfill(digits + 1)
    return f"{'-' if amount_minor < 0 else ''}{text[:-digits]}.{text[-digits:]}"
