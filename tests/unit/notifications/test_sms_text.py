"""Text of SMS: its alphabet, its length in segments, and its form with the fewest segments."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.notifications.sms_text import count_segments, is_gsm, to_sms_text


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("", 1),
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        # A character of the extension table takes two septets, which are not split between two segments.
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("a" * 152 + "€" + "a" * 152, 3),
        # One character outside of the alphabet makes the whole text UCS-2.
        ("ã" * 70, 1),
        ("ã" * 71, 2),
        ("ã" * 134, 2),
        ("ã" * 135, 3),
        # An emoji is a pair of UTF-16 code units, which are not split either.
        ("😀" * 35, 1),
        ("😀" * 36, 2),
        ("ã" * 66 + "😀" + "ã" * 66, 3),
    ],
)
def test_the_length_of_a_text_is_counted_in_segments(text: str, segments: int) -> None:
    assert count_segments(text) == segments


def test_portuguese_loses_accents_that_would_double_its_segments() -> None:
    assert to_sms_text("Você recebeu R$\xa010,00 de João — às 16h…") == "Voce recebeu R$ 10,00 de Joao - às 16h..."


def test_a_text_of_another_script_stays_as_it_is() -> None:
    assert to_sms_text("Привет, João") == "Привет, João"


@given(st.text(max_size=400))
def test_the_form_for_sms_never_has_more_segments(text: str) -> None:
    sent = to_sms_text(text)
    assert count_segments(sent) <= count_segments(text)
    assert is_gsm(sent) or sent == text


@given(st.text(alphabet=st.characters(max_codepoint=0x24F), max_size=400))
def test_a_text_of_the_alphabet_is_sent_unchanged(text: str) -> None:
    if is_gsm(text):
        assert to_sms_text(text) == text
