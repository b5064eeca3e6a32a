import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.documents import format_cpf, mask_cpf, normalise_cpf


def with_check_digits(body: str) -> str:
    """Return the CPF of a body, by a second implementation of the rule: weights from 10 down, then from 11 down."""
    for weight in (10, 11):
        remainder = sum((weight - place) * int(digit) for place, digit in enumerate(body)) * 10 % 11
        body += str(remainder % 10)
    return body


valid_cpfs = (
    st.text("0123456789", min_size=9, max_size=9).filter(lambda body: len(set(body)) > 1).map(with_check_digits)
)


@given(valid_cpfs)
def test_a_valid_cpf_is_one_value_with_or_without_punctuation(digits: str) -> None:
    assert normalise_cpf(digits) == digits
    assert normalise_cpf(format_cpf(digits)) == digits


@given(valid_cpfs, st.integers(0, 10), st.integers(1, 9))
def test_one_wrong_digit_is_detected_unless_the_check_digits_are_zero(digits: str, place: int, shift: int) -> None:
    """CPF writes the remainders 10 and 0 as the check digit 0, so another digit can leave a zero as it is.

    Both numbers are then valid CPFs, and no bank can tell which one is meant. The first digit has the weight 11 in the
    second check digit, which therefore does not depend on it.
    """
    typo = digits[:place] + str((int(digits[place]) + shift) % 10) + digits[place + 1 :]
    is_ambiguous = digits[9] == "0" if place == 0 else place < 9 and digits.endswith("00")
    assert normalise_cpf(typo) is None or is_ambiguous


@pytest.mark.parametrize("digit", "0123456789")
def test_a_cpf_of_eleven_equal_digits_is_refused(digit: str) -> None:
    assert normalise_cpf(digit * 11) is None
    assert normalise_cpf(format_cpf(digit * 11)) is None


@given(valid_cpfs, st.integers(0, 10), st.sampled_from("\u0660\u06f0\u0966\uff10\U0001d7ce"))
def test_a_digit_of_another_script_is_not_part_of_a_cpf(digits: str, place: int, zero: str) -> None:
    foreign = chr(ord(zero) + int(digits[place]))
    assert normalise_cpf(digits[:place] + foreign + digits[place + 1 :]) is None


@given(st.text(max_size=20))
def test_an_accepted_cpf_is_normalised_to_eleven_ascii_digits(text: str) -> None:
    digits = normalise_cpf(text)
    assert digits is None or (len(digits) == 11 and digits.isascii() and digits.isdigit())


@pytest.mark.parametrize(
    "text",
    [
        "",
        "52998224724",
        "11111111111",
        "000.000.000-00",
        "5299822472",
        "529.98224725",
        "5.2.9.9.8.2.2.4.7.2.5",
        "529982247-25",
        " 52998224725",
        "52998224725\n",
        "5299822472\N{ARABIC-INDIC DIGIT FIVE}",
        "529.982.247\N{EN DASH}25",
        "0" * 10_000,
    ],
)
def test_any_other_text_is_not_a_cpf(text: str) -> None:
    assert normalise_cpf(text) is None


def test_a_cpf_is_formatted_with_punctuation_and_masked_at_both_ends() -> None:
    assert format_cpf("52998224725") == "529.982.247-25"
    assert mask_cpf("52998224725") == "***.982.247-**"


@pytest.mark.parametrize("digits", ["", "5299822472", "529.982.247-25", "abcdefghijk"])
def test_only_eleven_digits_are_formatted_or_masked(digits: str) -> None:
    for show in (format_cpf, mask_cpf):
        with pytest.raises(ValueError, match="eleven digits"):
            show(digits)
