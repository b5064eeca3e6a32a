"""The scalars of the schema: what each accepts as a string, and the string it is shown as.

One table for the two that need it: the gate, which refuses malformed literals, and the engine, which coerces the rest.
No message repeats the value: it may be a CPF.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from types import MappingProxyType

from graphql import GraphQLSchema, StringValueNode, ValueNode
from graphql.type import GraphQLScalarType
from tartiflette import Scalar
from tartiflette.language.ast import StringValueNode as EngineStringValueNode

from bank.api.refusal import LiteralError
from bank.documents import format_cpf, normalise_cpf
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


@dataclass(frozen=True, slots=True)
class ScalarForm:
    """How a scalar is read from a string and written to one. `parse` raises ValueError with a sentence to show."""

    parse: Callable[[str], object]
    serialise: Callable[[object], str]


def parse_decimal(text: str) -> str:
    """Return the text if it is a plain decimal. How many decimals it may have depends on a currency, known later."""
    if len(text) > _DECIMAL_LENGTH_MAX or not _DECIMAL.fullmatch(text):
        raise ValueError("A Decimal is a plain decimal number in a string, such as 10.50.")
    return text


def serialise_decimal(value: object) -> str:
    """Return the decimal string of a Money; a string has been made by `format_amount` and passes. Never a number."""
    if isinstance(value, Money):
        return format_amount(value.amount_minor, value.currency)
    return _text(value, "Decimal")


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


def serialise_date_time(value: object) -> str:
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


def serialise_date(value: object) -> str:
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


def serialise_cpf(value: object) -> str:
    """Return eleven digits as 000.000.000-00."""
    return format_cpf(_text(value, "CPF"))


def parse_account_number(text: str) -> str:
    """Return the text if it is an account number with the right check digit."""
    if not is_account_number(text):
        raise ValueError("An AccountNumber is branch, number and check digit, such as 0001/00000042-4.")
    return text


def serialise_account_number(value: object) -> str:
    """Return an account number as it is: the bank has made it."""
    return _text(value, "AccountNumber")


def parse_currency_code(text: str) -> str:
    """Return the text if it has the form of an ISO 4217 code; whether the bank knows the currency is decided later."""
    if not _CURRENCY_CODE.fullmatch(text):
        raise ValueError("A CurrencyCode is three capital letters, such as BRL.")
    return text


def serialise_currency_code(value: object) -> str:
    """Return a currency code as it is: the bank keeps it."""
    return _text(value, "CurrencyCode")


SCALARS: Mapping[str, ScalarForm] = MappingProxyType(
    {
        "AccountNumber": ScalarForm(parse_account_number, serialise_account_number),
        "CPF": ScalarForm(parse_cpf, serialise_cpf),
        "CurrencyCode": ScalarForm(parse_currency_code, serialise_currency_code),
        "Date": ScalarForm(parse_date, serialise_date),
        "DateTime": ScalarForm(parse_date_time, serialise_date_time),
        "Decimal": ScalarForm(parse_decimal, serialise_decimal),
    }
)


class EngineScalar:
    """A scalar in the form that Tartiflette asks for."""

    def __init__(self, name: str, form: ScalarForm) -> None:
        self._name = name
        self._form = form

    def coerce_output(self, value: object) -> str:
        """Return what the client sees for a resolved value."""
        return self._form.serialise(value)

    def coerce_input(self, value: object) -> object:
        """Return what a resolver sees for the value of a variable."""
        return self._form.parse(_text(value, self._name))

    def parse_literal(self, node: object) -> object:
        """Return what a resolver sees for a literal; the gate has let only good ones through."""
        if not isinstance(node, EngineStringValueNode):
            raise TypeError(f"{self._name} is given as a string.")
        return self._form.parse(node.value)


def register_scalars(schema_name: str, names: Iterable[str]) -> None:
    """Hand those of the scalars that a Tartiflette schema has to it, before it is built."""
    for name in SCALARS.keys() & set(names):
        Scalar(name, schema_name=schema_name)(EngineScalar(name, SCALARS[name]))


def attach_scalars(schema: GraphQLSchema) -> None:
    """Teach a graphql-core schema to refuse malformed literals, with messages that do not repeat them."""
    for name, form in SCALARS.items():
        scalar = schema.type_map.get(name)
        if isinstance(scalar, GraphQLScalarType):
            _attach(scalar, form)


def _attach(scalar: GraphQLScalarType, form: ScalarForm) -> None:
    def parse_value(value: object) -> object:
        return form.parse(_text(value, scalar.name))

    def parse_literal(node: ValueNode, _variables: object = None) -> object:
        if not isinstance(node, StringValueNode):
            raise LiteralError(f"{scalar.name} is given as a string.", node)
        try:
            return form.parse(node.value)
        except ValueError as refusal:
            raise LiteralError(str(refusal), node) from None

    # Replacing these methods is how graphql-core gives a scalar made from SDL its behaviour; mypy has no word for it.
    # The last two are what the first two are called since 3.3.
    scalar.__dict__.update(
        parse_value=parse_value,
        serialize=form.serialise,
        parse_literal=parse_literal,
        coerce_input_value=parse_value,
        coerce_output_value=form.serialise,
    )


def _text(value: object, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{name} is given as a string.")
    return value
