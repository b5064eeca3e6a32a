"""Validation of free text: the characters that the text fields of the API may have.

The rules use Unicode's general categories. `str.isprintable` would refuse characters that many languages need: joiners
(Persian, Sinhala, Marathi, emoji), no-break spaces (French), ideographic spaces (Japanese).
"""

import re
import unicodedata

# Unicode's property Default_Ignorable_Code_Point (DerivedCoreProperties.txt), which Python's library does not have: the
# characters that are invisible by themselves.
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Symbols and letters by category that are blank on the screen: Braille and hieroglyph blanks, a null note head, and the
# object replacement character.
_BLANK = "\u2800\ufffc\U00013441\U00013442\U00016fe4\U0001d159"
_INVISIBLE = re.compile(f"[{_IGNORABLE}{_BLANK}]")

# Invisible characters that are allowed, because words, emoji or the direction of a line need them. The others reorder
# the text around them (embeddings, overrides, isolates), are deprecated, or only serve to hide data.
_ALLOWED_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U000e0100-\U000e01ef]"
)
# Variation selectors choose the form of the character before them. Two in a row, or one after an invisible character,
# carry hidden data.
_VARIATION = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_STRAY_VARIATION = re.compile(f"(?:^|[{_IGNORABLE}])[{_VARIATION}]")
# The flags of England, Scotland, Wales and other regions. Tag characters are allowed only in them.
_REGION_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")


def is_readable(text: str, *, longest: int, visible: int = 1) -> bool:
    """Return whether a text is one line with at most `longest` characters and at least `visible` visible ones.

    Control characters, line ends, surrogates, private characters, and invisible characters that no language needs are
    not readable. Characters that this Python's Unicode does not know yet are accepted, since they may be new emoji.
    """
    if len(text) > longest:
        return False
    if text.isascii():  # nearly all texts, in a fraction of a microsecond
        return text.isprintable() and len(text.replace(" ", "")) >= visible
    bare = _REGION_FLAG.sub("\U0001f3f4", text)
    if _STRAY_VARIATION.search(bare) or not all(map(_is_allowed, bare)):
        return False
    shown = _INVISIBLE.sub("", bare)
    marks = sum(unicodedata.category(character)[0] in "MZ" for character in shown)
    # Combining marks do not count as visible, because a text could consist of them alone.
    return len(shown) - marks >= visible


def has_invisible(text: str) -> bool:
    """Return whether a text has an invisible character."""
    return _INVISIBLE.search(text) is not None


def _is_allowed(character: str) -> bool:
    match unicodedata.category(character):
        case "Cc" | "Cs" | "Co" | "Zl" | "Zp":
            return False
        case "Cf" if not _INVISIBLE.match(character):
            return not "\ufff9" <= character <= "\ufffb"  # visible, such as Arabic number signs, except annotations
        case "Cn" if ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF:
            return False  # a noncharacter, which Unicode will never assign
    return _INVISIBLE.match(character) is None or _ALLOWED_IGNORABLE.match(character) is not None or character in _BLANK
