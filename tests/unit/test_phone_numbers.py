"""Phone numbers are accepted in the international format only, and stored in E.164."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.phone_numbers import normalise_phone_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("+5511987654321", "+5511987654321"),
        ("+55 (11) 98765-4321", "+5511987654321"),
        ("+1 202-555-0143", "+12025550143"),
        ("+351 912 345 678", "+351912345678"),
    ],
)
def test_a_number_with_its_country_code_is_stored_without_punctuation(text: str, number: str) -> None:
    assert normalise_phone_number(text) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "11987654321",  # no country code
        "005511987654321",
        "+55 11 8765",  # too short for Brazil
        "+5511987654321987654",
        "+999123456789",  # no country
        "+55119876543a1",
        "+1-800-FLOWERS",
        "+5511987654321;ext=7",
        "+\u0665\u0665\u0661\u0661987654321",  # digits of another alphabet
        "\uff0b5511987654321",  # another plus sign
        "+5511987654321\n",
        "+55   11987654321",
    ],
)
def test_another_text_is_no_number(text: str) -> None:
    assert normalise_phone_number(text) is None


@given(st.text(alphabet="+0123456789 ()-", max_size=24))
def test_a_normal_form_is_stable(text: str) -> None:
    number = normalise_phone_number(text)
    if number is not None:
        assert normalise_phone_number(number) == number
        assert number[1:].isdigit()
