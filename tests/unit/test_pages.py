"""The pages of the documentation are plain: short sentences, short lines, no private words (CONTRIBUTING.md)."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "contracts/*.md", "contracts/decisions/*.md", "b*/**/README.md")
    for path in ROOT.glob(pattern)
)
LINE_MAX = 150
# Readers have to read a longer sentence twice.
WORDS_MAX = 36
# Subjects without a noun, personified processes, and metaphors, each of which has a plain form.
PRIVATE = re.compile(
    r"\b(?:[Ww]hoever|[Ww]hatever|(?:is|are|was|were) told|(?:has|have) heard|believes?|vouch(?:es)?)\b"
)


def prose(text: str) -> Iterator[str]:
    """Yield the paragraphs and list items of a page, without code blocks, tables, headings and comments."""
    text = re.sub(r"^```.*?^```$|<!--.*?-->", "", text, flags=re.DOTALL | re.MULTILINE)
    kept = "\n".join("" if re.match(r"\s*(\||#)", line) else line for line in text.splitlines())
    yield from (" ".join(part.split()) for part in re.split(r"\n\s*\n|\n\s*(?:[-*]|\d+\.) ", kept) if part.strip())


def sentences(paragraph: str) -> list[str]:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", re.sub(r"`[^`]*`", "code", paragraph))
    return re.split(r"(?<=[.:?!]) ", plain)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_a_page_is_plain(page: Path) -> None:
    text = page.read_text("utf-8")
    outside_code = re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)
    assert [line for line in outside_code.splitlines() if len(line) > LINE_MAX and not line.startswith("|")] == []
    found = [sentence for part in prose(text) for sentence in sentences(part)]
    assert [sentence for sentence in found if len(sentence.split()) > WORDS_MAX] == []
    assert PRIVATE.findall(re.sub(r"`[^`]*`", "", outside_code)) == []


def test_the_list_of_decisions_has_the_titles_of_the_pages() -> None:
    folder = ROOT / "contracts" / "decisions"
    listed = re.findall(
        r"^\| \[(\d{4})\]\(([^)]+)\) \| (.+) \|$", (folder / "README.md").read_text("utf-8"), re.MULTILINE
    )
    titles = [(path.name, path.read_text("utf-8").splitlines()[0]) for path in sorted(folder.glob("[0-9]*.md"))]
    assert [(name, f"# {number} {title}") for number, name, title in listed] == titles
