"""The diagrams in the documentation are generated from the sources beside them."""

import re
from hashlib import sha256
from pathlib import Path

import pytest

DIAGRAMS = Path(__file__).parents[2] / "docs" / "diagrams"
SOURCES = sorted(DIAGRAMS.glob("*.mmd"))


def test_every_diagram_is_shown_on_a_page() -> None:
    shown = {
        name
        for page in DIAGRAMS.parent.glob("*.md")
        for name in re.findall(r"\(diagrams/([\w-]+)\.svg\)", page.read_text())
    }
    assert shown == {source.stem for source in SOURCES} != set()


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_diagram_is_generated_from_its_current_source(source: Path) -> None:
    drawing = source.with_suffix(".svg").read_text(encoding="utf-8")
    drawn_from = re.search(r"<!-- drawn from ([0-9a-f]{64}) -->\s*\Z", drawing)
    assert drawn_from is not None
    assert drawn_from[1] == sha256(source.read_bytes()).hexdigest(), "run docs/diagrams/render.sh"


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.name)
def test_a_diagram_loads_nothing(source: Path) -> None:
    drawing = source.with_suffix(".svg").read_text(encoding="utf-8")
    assert not re.search(r"<script|@import|(?:href|src)=\"(?!#)|url\((?!['\"]?#)", drawing)
