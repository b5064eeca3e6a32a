"""The custom scalars of the schema: the strings that each accepts, and the string that it is serialized to.

No message repeats the value: it may be a CPF.
"""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

from bank.documents import format_cpf, normalise_cpf
from bank.graphql.scalars import ScalarCodec, ScalarCodecs, require_text
from bank.identifiers import is_account_number
from bank.money import Money, format_amount

# Any int64 in minor units fits; a longer amount is of no currency.
_DECIMAL_LENGTH_MAX = 32
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
# .NET writes seven digits of a second, Java and Go nine, and RFC 3339 allows any number, and small letters; a longer
# text is no moment. What is beyond microseconds is cut, not rounded, so that no moment becomes a later one.
_DATE_TIME_LENGTH_MAX = 64
_DATE_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]):([0-5][0-9]|60)"
    r"(?:\.([0-9]+))?([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_TICK = timedelta(microseconds=1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CURRENCY_CODE = re.compile(r"[A-Z]{3}")


def parse_decimal(text: str) -> str:
    """Return the text if it is a plain decimal. How many decimals it may have depends on a currency, known later."""
    if len(text) > _DECIMAL_LENGTH_MAX or not _DECIMAL.fullmatch(text):
        raise ValueError("A Decimal is a plain decimal number in a string, such as 10.50.")
    return text


def serialize_decimal(value: object) -> str:
    """Return the decimal string of a Money; a string has been made by `format_amount` and passes. Never a number."""
    if isinstance(value, Money):
        return format_amount(value.amount_minor, value.currency)
    return require_text(value, "Decimal")


def parse_date_time(text: str) -> datetime:
    """Return the moment, in UTC, that an RFC 3339 date-time with zone stands for, cut to microseconds.

    A leap second, which no clock of the bank shows, is the last microsecond before it.
    """
    form = _DATE_TIME.fullmatch(text) if len(text) <= _DATE_TIME_LENGTH_MAX else None
    if form is not None:
        day, time, second, fraction, zone = form.groups()
        if is_leap := second == "60":
            second, fraction = "59", "999999"
        with suppress(ValueError, OverflowError):  # of the form, but no such day, or beyond the calendar in UTC
            text = f"{day}T{time}:{second}.{(fraction or '0')[:6]:0<6}{zone.upper()}"
            moment = datetime.fromisoformat(text).astimezone(UTC)
            if not is_leap or _ends_a_month(moment):
                return moment
    raise ValueError("A DateTime is RFC 3339 with zone, such as 2026-11-22T16:03:00.123456Z.")


def _ends_a_month(moment: datetime) -> bool:
    """Return whether the month ends right after a moment in UTC; leap seconds are inserted nowhere else."""
    next_tick = moment + _TICK
    return (next_tick.day, next_tick.hour, next_tick.minute, next_tick.second) == (1, 0, 0, 0)


def serialize_date_time(value: object) -> str:
    """Return an aware datetime as RFC 3339 in UTC, always with microseconds, so that text order is time order."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("A DateTime is made from a datetime that has a zone.")
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_date(text: str) -> date:
    """Return the day that an ISO 8601 date stands for."""
    if _DATE.fullmatch(text):
        with suppress(ValueError):  # of the form, but no such day
            return date.fromisoformat(text)
    raise ValueError("A Date is a day of the calendar, such as 2026-11-22.")


def serialize_date(value: object) -> str:
    """Return a day as ISO 8601. A moment is no day: on which it falls is a matter of zones."""
    if not isinstance(value, date) or isinstance(value, datetime):
        raise TypeError("A Date is made from a date.")
    return value.isoformat()


def parse_cpf(text: str) -> str:
    """Return the eleven digits of a CPF written with or without punctuation."""
    digits = normalise_cpf(text)
    if digits is None:
        raise ValueError(
            "A CPF has eleven digits, with or without punctuation, the last two of which check the others."
        )
    return digits


def serialize_cpf(value: object) -> str:
    """Return eleven digits as 000.000.000-00."""
    return format_cpf(require_text(value, "CPF"))


def parse_account_number(text: str) -> str:
    """Return the text if it is an account number with the right check digit."""
    if not is_account_number(text):
        raise ValueError("An AccountNumber is branch, number and check digit, such as 0001/00000042-4.")
    return text


def serialize_account_number(value: object) -> str:
    """Return an account number as it is: the bank has made it."""
    return require_text(value, "AccountNumber")


def parse_currency_code(text: str) -> str:
    """Return the text if it has the form of an ISO 4217 code; whether the bank knows the currency is decided later."""
    if not _CURRENCY_CODE.fullmatch(text):
        raise ValueError("A CurrencyCode is three capital letters, such as BRL.")
    return text


def serialize_currency_code(value: object) -> str:
    """Return a currency code as it is: the bank keeps it."""
    return require_text(value, "CurrencyCode")


SCALARS: ScalarCodecs = MappingProxyType(
    {
        "AccountNumber": ScalarCodec(parse_account_number, serialize_account_number, passthrough=True),
        "CPF": ScalarCodec(parse_cpf, serialize_cpf),
        "CurrencyCode": ScalarCodec(parse_currency_code, serialize_currency_code, passthrough=True),
        "Date": ScalarCodec(parse_date, serialize_date),
        "DateTime": ScalarCodec(parse_date_time, serialize_date_time),
        "Decimal": ScalarCodec(parse_decimal, serialize_decimal),
    }
)
