"""The glossary is in order, has each term once, and defines it in one sentence."""

import re
from pathlib import Path

import pytest

GLOSSARY = (Path(__file__).parents[2] / "docs" / "glossary.md").read_text("utf-8")
ROWS = re.findall(r"^\| ([^|]+) \| ([^|]+) \|([^|]*)\|$", GLOSSARY, re.MULTILINE)[2:]


def test_the_terms_are_unique_and_in_alphabetical_order() -> None:
    terms = [term for term, _, _ in ROWS]
    assert len(terms) > 40
    assert terms == sorted(set(terms))


@pytest.mark.parametrize(("term", "meaning"), [row[:2] for row in ROWS])
def test_a_meaning_is_one_sentence(term: str, meaning: str) -> None:
    assert meaning[0].isupper() or meaning.startswith("`"), term
    assert meaning.endswith("."), term
    assert not re.search(r"[a-z]\. [A-Z]", meaning), term
