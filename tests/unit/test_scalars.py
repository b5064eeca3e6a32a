from datetime import UTC, date, datetime, timedelta, timezone

import pytest
from graphql import build_schema, parse, validate
from hypothesis import given
from hypothesis import strategies as st

from bank.api.scalars import SCALARS
from bank.graphql.scalars import attach_scalars
from bank.identifiers import BRANCH_MAX, SEQUENCE_MAX, account_number
from bank.money import MAX_AMOUNT_MINOR, MIN_AMOUNT_MINOR, Money, format_amount, parse_amount

moments = st.datetimes(
    min_value=datetime(1, 1, 2), max_value=datetime(9999, 12, 30), timezones=st.timezones() | st.just(UTC)  # noqa: DTZ001
)  # fmt: skip


@given(st.integers(MIN_AMOUNT_MINOR, MAX_AMOUNT_MINOR))
def test_a_decimal_is_serialised_money_and_is_parsed_as_text(amount_minor: int) -> None:
    shown = SCALARS["Decimal"].serialize(Money(amount_minor, "BRL"))
    assert shown == format_amount(amount_minor, "BRL")
    assert parse_amount(str(SCALARS["Decimal"].parse(shown)), "BRL") == amount_minor


@given(moments)
def test_a_serialised_date_time_is_parsed_to_the_same_time(moment: datetime) -> None:
    shown = SCALARS["DateTime"].serialize(moment)
    # The comparison is in UTC, because in Python two times are never equal while a zone changes its offset.
    assert SCALARS["DateTime"].parse(shown) == moment.astimezone(UTC)
    assert len(shown) == len("2026-11-22T16:03:00.123456Z")


@given(st.dates())
def test_a_serialised_date_is_parsed_to_the_same_date(day: date) -> None:
    assert SCALARS["Date"].parse(SCALARS["Date"].serialize(day)) == day


@given(moments, moments)
def test_date_times_have_the_order_of_their_texts(one: datetime, other: datetime) -> None:
    texts = SCALARS["DateTime"].serialize(one), SCALARS["DateTime"].serialize(other)
    assert (one.astimezone(UTC) < other.astimezone(UTC)) == (texts[0] < texts[1])


@given(st.integers(1, BRANCH_MAX), st.integers(1, SEQUENCE_MAX))
def test_an_account_number_is_parsed_unchanged(branch: int, sequence: int) -> None:
    number = account_number(branch, sequence)
    assert SCALARS["AccountNumber"].parse(number) == number == SCALARS["AccountNumber"].serialize(number)


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("Decimal", "10.50", "10.50"),
        ("Decimal", "-0.01", "-0.01"),
        ("Decimal", "10.505", "10.505"),
        ("DateTime", "2026-11-22T16:03:00Z", datetime(2026, 11, 22, 16, 3, tzinfo=UTC)),
        ("DateTime", "2026-11-22T13:03:00.5-03:00", datetime(2026, 11, 22, 16, 3, 0, 500_000, tzinfo=UTC)),
        ("DateTime", "2026-11-22T13:03:00.1234567-03:00", datetime(2026, 11, 22, 16, 3, 0, 123_456, tzinfo=UTC)),
        ("DateTime", "2026-11-22T16:03:00.999999999Z", datetime(2026, 11, 22, 16, 3, 0, 999_999, tzinfo=UTC)),
        ("DateTime", "2026-11-22t16:03:00.1z", datetime(2026, 11, 22, 16, 3, 0, 100_000, tzinfo=UTC)),
        ("DateTime", f"2026-11-22T16:03:00.{'1' * 43}Z", datetime(2026, 11, 22, 16, 3, 0, 111_111, tzinfo=UTC)),
        ("DateTime", "2026-11-22T16:03:00-00:00", datetime(2026, 11, 22, 16, 3, tzinfo=UTC)),
        ("DateTime", "2016-12-31T23:59:60Z", datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("DateTime", "2016-12-31t20:59:60.123456789-03:00", datetime(2016, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC)),
        ("DateTime", "0001-01-01T00:00:00-00:01", datetime(1, 1, 1, 0, 1, tzinfo=UTC)),
        ("DateTime", "9999-12-31T23:59:59.9999999+00:01", datetime(9999, 12, 31, 23, 58, 59, 999_999, tzinfo=UTC)),
        ("Date", "2026-11-22", date(2026, 11, 22)),
        ("Date", "2024-02-29", date(2024, 2, 29)),
        ("CPF", "529.982.247-25", "52998224725"),
        ("CPF", "52998224725", "52998224725"),
        ("AccountNumber", "0001/00000042-4", "0001/00000042-4"),
        ("CurrencyCode", "BRL", "BRL"),
        ("CurrencyCode", "XTS", "XTS"),
    ],
)
def test_a_text_in_the_form_of_its_scalar_is_parsed(name: str, text: str, value: object) -> None:
    assert SCALARS[name].parse(text) == value


REFUSED = [
    *[
        ("Decimal", text)
        for text in ["", "1e3", "NaN", "Infinity", "+1", "01", ".5", "5.", "1,5", "0x1", "9" * 33, "1\n"]
    ],
    *[
        ("DateTime", text)
        for text in [
            "2026-11-22",
            "2026-11-22T16:03:00",
            "2026-11-22 16:03:00Z",
            "2026-11-22T16:03Z",
            "2026-13-01T00:00:00Z",
            "2026-02-30T00:00:00Z",
            "2026-11-22T24:00:01Z",
            "2026-11-22T23:59:60Z",
            "2026-12-31T23:58:60Z",
            "2026-12-31T23:59:60-03:00",
            "9999-12-31T23:59:60Z",
            "2026-12-31T23:59:61Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T16:60:00Z",
            f"2026-11-22T16:03:00.{'1' * 44}Z",
            "2026-11-22T16:03:00.Z",
            "2026-11-22T16:03:00,5Z",
            "2026-11-22T16:03:00+25:00",
            "2026-11-22T16:03:00+03:60",
            "2026-11-22T16:03:00+0300",
            "2026-11-22T16:03:00+03",
            "2026-11-22T16:03:00 Z",
            "2026-11-22T16:03:00\u017f",
            "2026-11-22T16:03:0\u0660Z",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+14:00",
            "9999-12-31T23:59:59-14:00",
            "20261122T160300Z",
            "1700000000",
            "2026-11-22T16:03:00Z\n",
        ]
    ],
    *[
        ("Date", text)
        for text in [
            "2026-02-30",
            "2025-02-29",
            "0000-01-01",
            "20261122",
            "2026-W01-1",
            "2026-11-22T00:00:00Z",
            "today",
        ]
    ],
    *[("CPF", text) for text in ["111.111.111-11", "52998224724", "529982247-25", "5299822472"]],
    *[("AccountNumber", text) for text in ["0001/00000042-3", "42", "0001/00000042-4 "]],
    *[("CurrencyCode", text) for text in ["brl", "BR", "BRLX", "R$ ", ""]],
]


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_a_text_in_another_form_is_refused_without_being_repeated(name: str, text: str) -> None:
    with pytest.raises(ValueError, match=name) as refusal:
        SCALARS[name].parse(text)
    example = "2026-11-22T16:03:00.123456Z"
    assert len(text) < 3 or text not in str(refusal.value).replace(example, "")


@pytest.mark.parametrize(("name", "text"), REFUSED)
def test_the_schema_of_the_validator_refuses_the_same_literals(name: str, text: str) -> None:
    schema = build_schema(f"scalar {name} type Query {{ take(value: {name}): Int }}")
    attach_scalars(schema, SCALARS)
    written = text.replace("\n", "\\n")
    (error,) = validate(schema, parse(f'{{ take(value: "{written}") }}'))
    assert name in error.message


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("literal", ["1", "1.5", "true", "BRL", "{a: 1}", "[1]"])
def test_only_strings_are_literals_of_these_scalars(name: str, literal: str) -> None:
    schema = build_schema(f"scalar {name} type Query {{ take(value: {name}): Int }}")
    attach_scalars(schema, SCALARS)
    (error,) = validate(schema, parse(f"{{ take(value: {literal}) }}"))
    assert error.message == f"{name} is given as a string."


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("Decimal", 10.5),
        ("Decimal", 10),
        ("DateTime", datetime(2026, 1, 1)),  # noqa: DTZ001 - on purpose: it has no zone
        ("DateTime", "2026-01-01T00:00:00Z"),
        ("Date", "2026-01-01"),
        ("Date", datetime(2026, 1, 1, tzinfo=UTC)),
        ("CPF", "1234"),
        ("CPF", None),
        ("AccountNumber", 42),
        ("CurrencyCode", 986),
    ],
)
def test_a_value_of_another_type_than_its_scalar_is_not_serialised(name: str, value: object) -> None:
    with pytest.raises((TypeError, ValueError)):
        SCALARS[name].serialize(value)


def test_a_date_time_of_another_zone_is_serialised_in_utc() -> None:
    moment = datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=3)))
    assert SCALARS["DateTime"].serialize(moment) == "2025-12-31T22:00:00.000000Z"
