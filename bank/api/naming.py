"""Names from clients in messages: which can be shown, and which name of the schema they were meant to be."""

import re
from collections.abc import Iterable
from difflib import SequenceMatcher

# A name of the schema has two dozen characters at most; whatever is longer, or no name, may be a value gone astray.
SHOWN_MAX = 40
_NAME = re.compile(rf"[_A-Za-z][_0-9A-Za-z]{{0,{SHOWN_MAX - 1}}}")

# As unlike as "acount" and "amount" are, and no less alike; below it, guesses are no help.
_LIKENESS_MIN = 0.6
# So many are compared; a client chooses how many names it sends, and a comparison takes some 20 microseconds.
_COMPARED_MAX = 50


def printable_name(text: str) -> str | None:
    """Return a name from a client if it can be shown in a message: a name of GraphQL, and not long; or else None."""
    return text if _NAME.fullmatch(text) else None


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is most like a name, spelled in whatever case; None where none is like it."""
    folded = name.replace("_", "").lower()
    best, likeness = None, _LIKENESS_MIN
    for candidate, _ in zip(candidates, range(_COMPARED_MAX), strict=False):
        ratio = SequenceMatcher(None, folded, candidate.replace("_", "").lower(), autojunk=False).ratio()
        if ratio > likeness:
            best, likeness = candidate, ratio
    return best
