"""The text of an SMS: its alphabet and its length in segments (3GPP TS 23.038 and 23.040).

A provider charges for each segment. A text in the GSM alphabet has 160 characters in one segment; a single character
outside of it, such as `ã`, makes the whole text UCS-2 with 70. The alphabet has no tilde over a vowel, so that most
Portuguese sentences would take twice the segments. Banks therefore send them without those accents.
"""

import unicodedata

# The basic table takes one septet for each character, and the extension table two.
_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENSION = frozenset("\f^{}\\[~]|€")
# The units of a single segment, and of each of several segments, which lose some to the header that joins them.
_SEPTETS, _SEPTETS_JOINED = 160, 153
_CODE_UNITS, _CODE_UNITS_JOINED = 70, 67
# Characters of typography, and their usual form in plain text.
_PLAIN = str.maketrans(
    {
        "\N{NO-BREAK SPACE}": " ",
        "\N{NARROW NO-BREAK SPACE}": " ",
        "\N{THIN SPACE}": " ",
        "\N{EN DASH}": "-",
        "\N{EM DASH}": "-",
        "\N{MINUS SIGN}": "-",
        "\N{BULLET}": "-",
        "\N{HORIZONTAL ELLIPSIS}": "...",
        "\N{LEFT SINGLE QUOTATION MARK}": "'",
        "\N{RIGHT SINGLE QUOTATION MARK}": "'",
        "\N{LEFT DOUBLE QUOTATION MARK}": '"',
        "\N{RIGHT DOUBLE QUOTATION MARK}": '"',
        "\N{MASCULINE ORDINAL INDICATOR}": "o",
        "\N{FEMININE ORDINAL INDICATOR}": "a",
    }
)


def is_gsm(text: str) -> bool:
    """Return whether a text can be sent in the GSM alphabet."""
    return all(character in _BASIC or character in _EXTENSION for character in text)


def count_segments(text: str) -> int:
    """Return the number of segments that a text takes as an SMS, at least one."""
    if is_gsm(text):
        return _count([1 if character in _BASIC else 2 for character in text], _SEPTETS, _SEPTETS_JOINED)
    return _count([1 if ord(character) <= 0xFFFF else 2 for character in text], _CODE_UNITS, _CODE_UNITS_JOINED)


def to_sms_text(text: str) -> str:
    """Return a text in the GSM alphabet, without the accents that it does not have, if that is possible.

    A text with characters of another script is returned as it is.
    """
    plain = "".join(map(_plain, text.translate(_PLAIN)))
    return plain if is_gsm(plain) and count_segments(plain) <= count_segments(text) else text


def _plain(character: str) -> str:
    if character in _BASIC or character in _EXTENSION:
        return character
    decomposed = unicodedata.normalize("NFD", character)
    return decomposed[0] if len(decomposed) > 1 and unicodedata.combining(decomposed[1]) else character


def _count(widths: list[int], single: int, joined: int) -> int:
    """Return the number of segments of characters with these widths, none of which is split."""
    if sum(widths) <= single:
        return 1
    segments, used = 1, 0
    for width in widths:
        if used + width > joined:
            segments, used = segments + 1, 0
        used += width
    return segments
