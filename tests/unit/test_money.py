import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.money import (
    CURRENCIES,
    MAX_AMOUNT_MINOR,
    MAX_POSTING_MINOR,
    MIN_AMOUNT_MINOR,
    Currency,
    InvalidAmountError,
    Money,
    UnknownCurrencyError,
    format_amount,
    parse_amount,
)

codes = st.sampled_from(sorted(CURRENCIES))


@given(st.integers(MIN_AMOUNT_MINOR, MAX_AMOUNT_MINOR), codes)
def test_a_formatted_amount_is_parsed_to_the_same_amount(amount_minor: int, code: str) -> None:
    assert parse_amount(format_amount(amount_minor, code), code) == amount_minor


@given(st.integers(-(10**30), 10**30))
def test_an_amount_beyond_bigint_is_refused(amount_minor: int) -> None:
    text = format_amount(amount_minor, "BRL")
    if MIN_AMOUNT_MINOR <= amount_minor <= MAX_AMOUNT_MINOR:
        assert parse_amount(text, "BRL") == amount_minor
    else:
        with pytest.raises(InvalidAmountError):
            parse_amount(text, "BRL")


@given(st.text(max_size=30))
def test_an_accepted_amount_equals_its_decimal_value(text: str) -> None:
    from decimal import Decimal

    try:
        amount_minor = parse_amount(text, "BRL")
    except InvalidAmountError:
        return
    assert Decimal(text) * 100 == amount_minor


@pytest.mark.parametrize(
    ("text", "amount_minor"),
    [("10.50", 1050), ("10.5", 1050), ("10", 1000), ("0", 0), ("0.01", 1), ("-0.01", -1), ("-3", -300), ("-0", 0)],
)
def test_plain_decimal_strings_are_parsed(text: str, amount_minor: int) -> None:
    assert parse_amount(text, "BRL") == amount_minor


@pytest.mark.parametrize(
    ("amount_minor", "text"), [(1050, "10.50"), (5, "0.05"), (0, "0.00"), (-5, "-0.05"), (-1050, "-10.50")]
)
def test_amounts_are_formatted_with_all_their_decimals(amount_minor: int, text: str) -> None:
    assert format_amount(amount_minor, "BRL") == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "1.",
        ".5",
        "+1",
        "1e3",
        "1E3",
        "NaN",
        "Infinity",
        "-",
        "--1",
        "01",
        "00.10",
        "1,50",
        "1_000",
        "0x10",
        " 1",
        "1 ",
        "1\n",
        "1.0.0",
        "\N{ARABIC-INDIC DIGIT ONE}",
        "1.\N{ARABIC-INDIC DIGIT FIVE}",
        "1.001",
        "0.000",
        "9" * 5000,
        "92233720368547758.08",
        "-92233720368547758.09",
    ],
)
def test_any_other_text_is_refused_without_being_repeated(text: str) -> None:
    with pytest.raises(InvalidAmountError) as refusal:
        parse_amount(text, "BRL")
    if len(text) > 3:
        assert text not in str(refusal.value)


@pytest.mark.parametrize("value", [1.5, 1, True, None, b"1.00"])
def test_a_number_is_not_an_amount(value: object) -> None:
    with pytest.raises(InvalidAmountError):
        parse_amount(value, "BRL")  # type: ignore[arg-type]  # on purpose: the type is wrong at run time


def test_currencies_with_no_decimals_and_with_three_work(monkeypatch: pytest.MonkeyPatch) -> None:
    more = {**CURRENCIES, "JPY": Currency("JPY", 0), "BHD": Currency("BHD", 3)}
    monkeypatch.setattr("bank.money.CURRENCIES", more)
    assert (parse_amount("-12", "JPY"), format_amount(-12, "JPY")) == (-12, "-12")
    assert (parse_amount("1.005", "BHD"), format_amount(5, "BHD")) == (1005, "0.005")
    with pytest.raises(InvalidAmountError):
        parse_amount("1.0", "JPY")


@pytest.mark.parametrize("code", ["brl", "", "XXX", "BRL "])
def test_an_unknown_currency_has_no_amounts(code: str) -> None:
    with pytest.raises(UnknownCurrencyError):
        parse_amount("1.00", code)
    with pytest.raises(UnknownCurrencyError):
        format_amount(100, code)


def test_a_balance_has_room_for_millions_of_the_largest_postings() -> None:
    assert MAX_AMOUNT_MINOR // MAX_POSTING_MINOR > 90_000_000


def test_money_is_compared_by_value_and_printed_with_its_currency() -> None:
    assert Money(1050, "BRL") == Money(1050, "BRL")
    assert hash(Money(1, "BRL")) == hash(Money(1, "BRL"))
    assert str(Money(-1050, "BRL")) == "-10.50 BRL"
    with pytest.raises(AttributeError):
        Money(1, "BRL").amount_minor = 2  # type: ignore[misc]  # on purpose: it is frozen
