"""The rules and requirements in `contracts/`: citations are valid, each rule names its tests, limits have reasons."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from simulation.checks import CHECKS
from simulation.mutants import NAMES as MUTANTS

ROOT = Path(__file__).parents[2]
RULES = (ROOT / "contracts" / "rules.md").read_text("utf-8")
REQUIREMENTS = (ROOT / "contracts" / "requirements.md").read_text("utf-8")
ROWS = {row[0]: row for row in re.findall(r"^\| (R\d+) \| (.*) \| (.*) \|$", RULES, re.MULTILINE)}
STEPS = set(re.findall(r"^\| (S\d+) \|", REQUIREMENTS, re.MULTILINE))
CITATION = re.compile(r"\b([RS]\d{1,2})\b")
LIMIT = re.compile(r"[A-Z0-9_]+_(MAX|MIN|S|MS|SECONDS)")


def sources() -> Iterator[Path]:
    for folder in ("bank", "simulation", "fixtures", "contracts", "tests", "docs"):
        for path in (ROOT / folder).rglob("*"):
            if path.suffix in {".py", ".sql", ".lua", ".md", ".toml", ".graphql"} and path.name != "test_rules.py":
                yield path


def test_rules_and_requirements_are_numbered_without_gaps() -> None:
    assert list(ROWS) == [f"R{number}" for number in range(1, len(ROWS) + 1)]
    assert sorted(STEPS) == [f"S{number}" for number in range(1, 10)]


def test_every_citation_is_of_an_existing_rule_or_requirement() -> None:
    cited = {
        (path.name, name)
        for path in sources()
        for group in re.findall(r"\(((?:[RS]\d{1,2}(?:, | and )?)+)\)", path.read_text("utf-8"))
        for name in CITATION.findall(group)
    }
    assert len({name for _, name in cited}) > 10
    assert [one for one in cited if one[1] not in ROWS.keys() | STEPS] == []


def test_no_citation_points_outside_of_the_repository() -> None:
    outside = re.compile(r"\brules? \d|\bspec steps? \d|\bthe spec(?:'s)?\b|\bblueprint\b")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sources()
        for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1)
        if outside.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("name", ROWS)
def test_a_rule_names_existing_tests_checks_and_mutants(name: str) -> None:
    _, _, holders = ROWS[name]
    files = re.findall(r"`(tests/[\w/]+\.py)`", holders)
    checks = re.findall(r"check: `(\w+)`", holders)
    mutants = re.findall(r"mutant: `(\w+)`", holders)
    contracts = re.findall(r'import-linter: "([^"]+)"', holders)
    assert files or checks or mutants or contracts or "not held yet" in holders
    assert [file for file in files if not (ROOT / file).is_file()] == []
    assert set(checks) <= CHECKS.keys()
    assert set(mutants) <= set(MUTANTS)
    assert all(f'name = "{contract}"' in (ROOT / "pyproject.toml").read_text("utf-8") for contract in contracts)


def test_every_limit_has_a_reason_in_a_comment() -> None:
    without = []
    for path in sorted((ROOT / "bank").rglob("*.py")):
        lines = path.read_text("utf-8").splitlines()
        for node in ast.parse("\n".join(lines)).body:
            if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
                continue
            name = node.targets[0].id.lstrip("_")
            if isinstance(node.value, ast.Call):
                continue  # a metric
            if LIMIT.fullmatch(name) and not _is_explained(lines, node.lineno):
                without.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")
    assert without == []


def _is_explained(lines: list[str], number: int) -> bool:
    """Return whether a line has a comment or follows one, directly or after other limits with the same reason."""
    if "#" in lines[number - 1]:
        return True
    before = number - 2
    while before >= 0 and re.match(r"[A-Z_]+(: [^=]+)? =", lines[before]) and "#" not in lines[before]:
        before -= 1
    return before >= 0 and lines[before].startswith("#")
