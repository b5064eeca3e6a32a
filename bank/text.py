"""Free text that people write: which characters it may have, in one place for every field of the API.

Decided by Unicode's general categories, not by `str.isprintable`, which refuses what many languages are written with:
joiners (Persian, Sinhala, Marathi, emoji), no-break spaces (French), ideographic spaces (Japanese).
"""

import re
import unicodedata

# Unicode's property Default_Ignorable_Code_Point (DerivedCoreProperties.txt), which Python's library does not have:
# what is displayed as nothing by itself.
_IGNORABLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
# Symbols and letters by category, blank on every screen: Braille and hieroglyph blanks, a null note, an object's place.
_BLANK = "\u2800\ufffc\U00013441\U00013442\U00016fe4\U0001d159"
_INVISIBLE = re.compile(f"[{_IGNORABLE}{_BLANK}]")

# Invisible, yet part of words, emoji or the direction of a line. The rest reorders what stands beside the text
# (embeddings, overrides, isolates), is deprecated, or can only hide something.
_ALLOWED_IGNORABLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2060\u3164\ufe00-\ufe0f\ufeff\uffa0"
    "\U000e0100-\U000e01ef]"
)
# One choice of a character's form; two in a row, or one after something invisible, carry hidden data.
_VARIATION = "\u180b-\u180d\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef"
_STRAY_VARIATION = re.compile(f"(?:^|[{_IGNORABLE}])[{_VARIATION}]")
# The flags of England, Scotland, Wales and other regions: tag characters are allowed nowhere else.
_REGION_FLAG = re.compile("\U0001f3f4[\U000e0030-\U000e0039\U000e0061-\U000e007a]{3,6}\U000e007f")


def is_readable(text: str, *, longest: int, visible: int = 1) -> bool:
    """Return whether a text fits on one line of at most `longest` characters and shows at least `visible` of them.

    Controls, line ends, surrogates, private characters, and invisible characters that no language is written with,
    are not readable. A character newer than this Python's Unicode is: a new emoji is no fault of the writer.
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
    # A mark is shown on what it follows, but on nothing it is as good as nothing.
    return len(shown) - marks >= visible


def has_invisible(text: str) -> bool:
    """Return whether any character of a text is displayed as nothing."""
    return _INVISIBLE.search(text) is not None


def _is_allowed(character: str) -> bool:
    match unicodedata.category(character):
        case "Cc" | "Cs" | "Co" | "Zl" | "Zp":
            return False
        case "Cf" if not _INVISIBLE.match(character):
            return not "\ufff9" <= character <= "\ufffb"  # visible, such as Arabic number signs, but for annotations
        case "Cn" if ord(character) & 0xFFFE == 0xFFFE or 0xFDD0 <= ord(character) <= 0xFDEF:
            return False  # not a character, now and ever
    return _INVISIBLE.match(character) is None or _ALLOWED_IGNORABLE.match(character) is not None or character in _BLANK
