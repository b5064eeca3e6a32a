"""Amounts of money: integers of minor units with a currency, exact decimal strings outside, never a float."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency of ISO 4217: its code, and how many decimal digits its amounts have."""

    code: str
    digits: int


# The currencies the bank keeps accounts in. A further one is a line here: everything else takes the digits from it.
CURRENCIES: Mapping[str, Currency] = MappingProxyType({currency.code: currency for currency in (Currency("BRL", 2),)})

# What a bigint column holds; a balance outside of it could not be written.
MIN_AMOUNT_MINOR = -(2**63)
MAX_AMOUNT_MINOR = 2**63 - 1

# The most one posting may move, R$ 999,999,999.99: above any retail payment, and so far below a bigint that one account
# can receive 92 million of them before its balance could overflow.
MAX_POSTING_MINOR = 99_999_999_999

# The longest int64 has 19 digits; a sign and a point more. Anything longer is refused before it is looked at.
_TEXT_MAX = 21

_AMOUNT = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?")


class UnknownCurrencyError(ValueError):
    """The bank keeps no accounts in this currency."""


class InvalidAmountError(ValueError):
    """The text is no exact amount of the currency. The message says why and never repeats the text."""


@dataclass(frozen=True, slots=True)
class Money:
    """An amount in a currency, in the currency's minor units (centavos for BRL); negative where it took away."""

    amount_minor: int
    currency: str

    def __str__(self) -> str:
        return f"{format_amount(self.amount_minor, self.currency)} {self.currency}"


def currency_of(code: str) -> Currency:
    """Return the currency with this code; raise UnknownCurrencyError for any other."""
    currency = CURRENCIES.get(code)
    if currency is None:
        raise UnknownCurrencyError("The bank keeps no accounts in this currency.")
    return currency


def parse_amount(text: str, currency: str) -> int:
    """Return the minor units that a decimal string such as "10.50" stands for.

    A leading minus is understood, because a change of balance has one; whether a sign makes sense is for the caller to
    decide. Exponents, plus signs, separators, leading zeros and more decimals than the currency has are refused with
    InvalidAmountError, and so is what a bigint does not hold.
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
