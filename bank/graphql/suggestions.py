"""Suggestions for misspelt names: the names from clients that a message may show, and the closest existing name."""

import re
from collections.abc import Collection, Iterable
from difflib import SequenceMatcher

# A name of the schema has two dozen characters at most; whatever is longer, or no name, may be a value gone astray.
SHOWN_MAX = 40
_NAME = re.compile(rf"[_A-Za-z][_0-9A-Za-z]{{0,{SHOWN_MAX - 1}}}")

# As unlike as "acount" and "amount" are, and no less alike; below it, guesses are no help.
_LIKENESS_MIN = 0.6
# So many are compared; a client chooses how many names it sends, and a comparison takes some 20 microseconds.
_COMPARED_MAX = 50
# More names than a person reads through help nobody, and would leave no room for the sentence.
_LISTED_MAX = 200  # characters


def printable_name(text: str) -> str | None:
    """Return a name from a client if it can be shown in a message: a name of GraphQL, and not long; or else None."""
    return text if _NAME.fullmatch(text) else None


def closest_name(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is most like a name, spelled in whatever case; None where none is like it."""
    folded = name.replace("_", "").lower()
    best, likeness = None, _LIKENESS_MIN
    for candidate, _ in zip(candidates, range(_COMPARED_MAX), strict=False):
        ratio = SequenceMatcher(None, folded, candidate.replace("_", "").lower(), autojunk=False).ratio()
        if ratio > likeness:
            best, likeness = candidate, ratio
    return best


def suggestion(name: str | None, known: Collection[str], called: str) -> str:
    """Return "did you mean x?" for a name that is not known, or a sentence with all that are; or nothing.

    `called` begins that sentence ("its fields are"); `name` is None where a client's name cannot be shown.
    """
    near = closest_name(name, known) if name else None
    if near:
        return f"did you mean {near}?"
    listed = ", ".join(known)
    return f"{called} {listed}." if listed and len(listed) <= _LISTED_MAX else ""


def with_suggestion(sentence: str, suggested: str) -> str:
    """Return a sentence that goes on with a suggestion, if there is one."""
    return f"{sentence.removesuffix('.')}; {suggested}" if suggested else sentence
