"""Suggestions for misspelt names: the names from clients that a message may show, and the closest existing name."""

import re
from collections.abc import Collection, Iterable
from difflib import SequenceMatcher

# Names of the schema have at most 24 characters. A longer text, or one that is not a name, may be a misplaced value.
SHOWN_MAX = 40
_NAME = re.compile(rf"[_A-Za-z][_0-9A-Za-z]{{0,{SHOWN_MAX - 1}}}")

# Less similar names are not helpful as suggestions.
_LIKENESS_MIN = 0.6
# A comparison takes about 20 µs, and a client chooses how many names it sends.
_COMPARED_MAX = 50
# A longer list would not be read, and would leave no room for the sentence.
_LISTED_MAX = 200  # characters


def printable_name(text: str) -> str | None:
    """Return a name from a client if a message may show it: a GraphQL name of limited length; else None."""
    return text if _NAME.fullmatch(text) else None


def closest_name(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that is most similar to a name, ignoring case; None if none is similar enough."""
    folded = name.replace("_", "").lower()
    best, likeness = None, _LIKENESS_MIN
    for candidate, _ in zip(candidates, range(_COMPARED_MAX), strict=False):
        ratio = SequenceMatcher(None, folded, candidate.replace("_", "").lower(), autojunk=False).ratio()
        if ratio > likeness:
            best, likeness = candidate, ratio
    return best


def suggestion(name: str | None, known: Collection[str], called: str) -> str:
    """Return "did you mean x?" for an unknown name, or else a list of all known names if it is short, or nothing.

    `called` begins the list ("its fields are"). `name` is None if the client's name cannot be shown.
    """
    near = closest_name(name, known) if name else None
    if near:
        return f"did you mean {near}?"
    listed = ", ".join(known)
    return f"{called} {listed}." if listed and len(listed) <= _LISTED_MAX else ""


def with_suggestion(sentence: str, suggested: str) -> str:
    """Return a sentence with the suggestion appended, if there is one."""
    return f"{sentence.removesuffix('.')}; {suggested}" if suggested else sentence
