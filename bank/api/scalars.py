"""The custom scalars of the schema: how each is parsed and serialized.

Error messages do not repeat the value, because it may be a CPF.
"""

import re
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

from bank.documents import format_cpf, normalise_cpf
from bank.graphql.scalars import ScalarCodec, ScalarCodecs, require_text
from bank.identifiers import is_account_number
from bank.money import Money, format_amount
from bank.phone_numbers import normalise_phone_number

# Every amount that fits int64 minor units is shorter.
_DECIMAL_LENGTH_MAX = 32
_DECIMAL = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?")
# RFC 3339 allows small letters and any number of digits after the second: .NET writes seven, Java and Go nine. A longer
# text is refused. Digits beyond microseconds are cut, not rounded, so that no time becomes a later one.
_DATE_TIME_LENGTH_MAX = 64
_DATE_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt]((?:[01][0-9]|2[0-3]):[0-5][0-9]):([0-5][0-9]|60)"
    r"(?:\.([0-9]+))?([Zz]|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])"
)
_TICK = timedelta(microseconds=1)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_CURRENCY_CODE = re.compile(r"[A-Z]{3}")


def parse_decimal(text: str) -> str:
    """Return the text if it is a plain decimal. The number of decimals is checked later, with the currency."""
    if len(text) > _DECIMAL_LENGTH_MAX or not _DECIMAL.fullmatch(text):
        raise ValueError("A Decimal is a plain decimal number in a string, such as 10.50.")
    return text


def serialize_decimal(value: object) -> str:
    """Return the decimal string of a Money. A string, made by `format_amount`, is returned as it is."""
    if isinstance(value, Money):
        return format_amount(value.amount_minor, value.currency)
    return require_text(value, "Decimal")


def parse_date_time(text: str) -> datetime:
    """Return an RFC 3339 date-time with zone as a datetime in UTC, cut to microseconds.

    A leap second becomes the last microsecond before it, because the bank's clocks have no leap seconds.
    """
    form = _DATE_TIME.fullmatch(text) if len(text) <= _DATE_TIME_LENGTH_MAX else None
    if form is not None:
        day, time, second, fraction, zone = form.groups()
        if is_leap := second == "60":
            second, fraction = "59", "999999"
        with suppress(ValueError, OverflowError):  # right format, but there is no such day, or it is beyond year 9999
            text = f"{day}T{time}:{second}.{(fraction or '0')[:6]:0<6}{zone.upper()}"
            moment = datetime.fromisoformat(text).astimezone(UTC)
            if not is_leap or _ends_a_month(moment):
                return moment
    raise ValueError("A DateTime is RFC 3339 with zone, such as 2026-11-22T16:03:00.123456Z.")


def _ends_a_month(moment: datetime) -> bool:
    """Return whether a month ends right after a time in UTC. Leap seconds are inserted only there."""
    next_tick = moment + _TICK
    return (next_tick.day, next_tick.hour, next_tick.minute, next_tick.second) == (1, 0, 0, 0)


def serialize_date_time(value: object) -> str:
    """Return an aware datetime as RFC 3339 in UTC, always with microseconds, so that text order is time order."""
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError("A DateTime is made from a datetime that has a zone.")
    return value.astimezone(UTC).isoformat(timespec="microseconds")[:-6] + "Z"


def parse_date(text: str) -> date:
    """Return an ISO 8601 date as a date."""
    if _DATE.fullmatch(text):
        with suppress(ValueError):  # right format, but there is no such day
            return date.fromisoformat(text)
    raise ValueError("A Date is a day of the calendar, such as 2026-11-22.")


def serialize_date(value: object) -> str:
    """Return a date as ISO 8601. Raises `TypeError` for a datetime, whose day depends on a time zone."""
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
    """Return an account number unchanged: the bank has generated it."""
    return require_text(value, "AccountNumber")


def parse_phone_number(text: str) -> str:
    """Return a phone number in E.164, written with or without spaces."""
    number = normalise_phone_number(text)
    if number is None:
        raise ValueError("A PhoneNumber is an assigned number with its country code (E.164), such as +5511987654321.")
    return number


def serialize_phone_number(value: object) -> str:
    """Return a phone number unchanged: it is stored in E.164."""
    return require_text(value, "PhoneNumber")


def parse_currency_code(text: str) -> str:
    """Return the text if it has the form of an ISO 4217 code. The use case checks if the bank has the currency."""
    if not _CURRENCY_CODE.fullmatch(text):
        raise ValueError("A CurrencyCode is three capital letters, such as BRL.")
    return text


def serialize_currency_code(value: object) -> str:
    """Return a currency code unchanged: it comes from the database."""
    return require_text(value, "CurrencyCode")


SCALARS: ScalarCodecs = MappingProxyType(
    {
        "AccountNumber": ScalarCodec(parse_account_number, serialize_account_number, passthrough=True),
        "CPF": ScalarCodec(parse_cpf, serialize_cpf),
        "CurrencyCode": ScalarCodec(parse_currency_code, serialize_currency_code, passthrough=True),
        "Date": ScalarCodec(parse_date, serialize_date),
        "DateTime": ScalarCodec(parse_date_time, serialize_date_time),
        "Decimal": ScalarCodec(parse_decimal, serialize_decimal),
        "PhoneNumber": ScalarCodec(parse_phone_number, serialize_phone_number),
    }
)
