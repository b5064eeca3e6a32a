"""Free text: natural text is accepted; invisible text, and text that disturbs its surroundings, is refused."""

import pytest

from bank.text import is_readable

WRITTEN = {
    "Portuguese": "Aluguel de março, nº 5",
    "Persian with a non-joiner": "می‌خواهم",
    "Sinhala with a joiner": "ශ්‍රී ලංකා",
    "Marathi with a joiner": "र्‍याचा",
    "Bengali with a joiner": "র‍্যাব",
    "Hebrew with a direction mark": "שלום\u200f!",
    "Khmer with a zero-width space": "សួស្តី\u200bអ្នក",
    "Tamil": "நன்றி",
    "French with no-break spaces": "12\u202f000\u00a0€\u00a0!",
    "Japanese with an ideographic space": "山田\u3000太郎",
    "Japanese with an ideographic variation": "葛\U000e0100城市",
    "Mongolian with a variation": "ᠮᠣᠩᠭᠣᠯ᠋ᠤᠨ",
    "Arabic with a number sign": "\u0600\u0661\u0662",
    "a family": "👨\u200d👩\u200d👧\u200d👦",
    "a heart on fire": "❤\ufe0f\u200d🔥",
    "a keycap": "1\ufe0f\u20e3",
    "a flag": "🇧🇷",
    "the flag of Wales": "🏴\U000e0067\U000e0062\U000e0077\U000e006c\U000e0073\U000e007f",
    "an emoji of Unicode 15": "\U0001fae8",
    "decomposed": "Joa\u0303o",
    "a soft hyphen inside": "Donau\u00addampf",
}

NOTHING = {
    "nothing": "",
    "a space": " ",
    "a no-break space": "\u00a0",
    "an ideographic space": "\u3000",
    "an Ogham space": "\u1680",
    "a zero-width space": "\u200b",
    "joiners": "\u200c\u200d",
    "a byte order mark": "\ufeff",
    "a soft hyphen": "\u00ad",
    "a word joiner": "\u2060",
    "a Hangul filler": "\u3164",
    "a halfwidth Hangul filler": "\uffa0",
    "a Hangul jamo filler": "\u115f",
    "a Braille blank": "\u2800",
    "a Khmer inherent vowel": "\u17b4",
    "a Mongolian vowel separator": "\u180e",
    "a variation selector": "\ufe0f",
    "a grapheme joiner": "\u034f",
    "a mark on nothing": "\u0301",
    "a null note": "\U0001d159",
    "an object's place": "\ufffc",
    "an invisible operator": "\u2063",
    "direction marks": "\u200e\u200f\u061c",
}

HARMFUL = {
    "NUL": "a\0b",
    "a line end": "a\nb",
    "a tab": "a\tb",
    "a next line": "a\u0085b",
    "a line separator": "a\u2028b",
    "a paragraph separator": "a\u2029b",
    "an escape": "a\x1b[31mb",
    "an override": "a\u202eb",
    "an embedding": "a\u202bb",
    "an isolate": "a\u2066b",
    "an invisible operator": "a\u2063b",
    "a deprecated format character": "a\u206bb",
    "an annotation": "a\ufff9b\ufffa",
    "hidden tags": "a\U000e0062\U000e0063",
    "tags that go on after a flag": "🏴\U000e0067\U000e0062\U000e0077\U000e007f\U000e0062",
    "hidden variation selectors": "😀\ufe01\ufe02\ufe03",
    "a surrogate": "a\ud800",
    "a private character": "a\ue000",
    "no character": "a\ufffe",
    "no character in the Arabic block": "a\ufdd0",
    "no character beyond": "a\U0010ffff",
}


@pytest.mark.parametrize("text", WRITTEN.values(), ids=WRITTEN)
def test_natural_text_is_readable(text: str) -> None:
    assert is_readable(text, longest=140)


@pytest.mark.parametrize("text", NOTHING.values(), ids=NOTHING)
def test_an_invisible_text_is_not_readable(text: str) -> None:
    assert not is_readable(text, longest=140)


@pytest.mark.parametrize("text", HARMFUL.values(), ids=HARMFUL)
def test_a_text_that_disturbs_its_surroundings_is_not_readable(text: str) -> None:
    assert not is_readable(text, longest=140)


@pytest.mark.parametrize(
    ("text", "readable"), [("ab", True), ("a", False), ("a\u200d", False), ("a ", False), ("é\u0301", False)]
)
def test_invisible_characters_do_not_count_as_visible(text: str, *, readable: bool) -> None:
    assert is_readable(text, longest=140, visible=2) is readable


def test_all_characters_count_for_the_length() -> None:
    assert is_readable("é" * 140, longest=140)
    assert not is_readable("é" * 141, longest=140)
