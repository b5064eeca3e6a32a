"""Detection of e-mail addresses that look like another address, because they use letters of another alphabet.

The rules are those of Unicode Technical Standard 39 (Unicode Security Mechanisms) that browsers use for domain names: a
name has one script, or scripts that are written together (5.2, Highly Restrictive), and is not written wholly in
letters of another script that look like Latin ones (4, whole-script confusables).
"""

import unicodedata
from collections.abc import Iterator

# Scripts that one name may have together: Latin may be in names in Chinese, Japanese and Korean (UTS 39, 5.2).
_TOGETHER = (
    frozenset({"LATIN", "CJK", "HIRAGANA", "KATAKANA"}),
    frozenset({"LATIN", "CJK", "BOPOMOFO"}),
    frozenset({"LATIN", "CJK", "HANGUL"}),
)
# Small letters that look like a small Latin letter in usual fonts, from confusables.txt of UTS 39.
_LIKE_LATIN = {
    "CYRILLIC": frozenset("асԁеһіјӏорԛѕԝхуѵ"),  # noqa: RUF001 - these letters are the subject
    "GREEK": frozenset("αγικνορτυχω"),
    "ARMENIAN": frozenset("ցհյոսօզ"),
}
# Python's library has no scripts. The name of a letter begins with its script, except for these.
_SCRIPT_OF_WORD = {"IDEOGRAPHIC": "CJK", "EXTENDED": "ARABIC", "KATAKANA-HIRAGANA": None, "MODIFIER": None}


def is_deceptive(address: str) -> bool:
    """Return whether a normalised address mixes scripts in one part, or imitates Latin letters with those of another.

    The parts are the local part and each label of the domain. Names in one script are accepted. A part wholly in
    letters like Latin ones is accepted if the top-level domain has the same script.
    """
    local, _, domain = address.rpartition("@")
    labels = domain.split(".")
    top = set(_scripts(labels[-1]))
    for part in (local, *labels):
        scripts = set(_scripts(part))
        if len(scripts) > 1 and not any(scripts <= allowed for allowed in _TOGETHER):
            return True
        for script in scripts & _LIKE_LATIN.keys() - top:
            if all(letter in _LIKE_LATIN[script] for letter in part if letter.isalpha()):
                return True
    return False


def _scripts(text: str) -> Iterator[str]:
    """Yield the scripts of the letters and digits in a text. ASCII digits and marks have no script of their own."""
    for character in text:
        category = unicodedata.category(character)
        if category[0] == "L" or (category == "Nd" and not character.isascii()):
            word = unicodedata.name(character, "UNKNOWN").split()[0]
            script = _SCRIPT_OF_WORD.get(word, word.partition("-")[0])
            if script is not None:
                yield script
