"""The changelog and the package have the same version."""

import re
import tomllib
from datetime import date
from itertools import pairwise
from pathlib import Path

ROOT = Path(__file__).parents[2]
CHANGELOG = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
HEADINGS = re.findall(r"^## (.+)$", CHANGELOG, re.MULTILINE)
RELEASES = [re.fullmatch(r"(\d+)\.(\d+)\.(\d+) - (\d{4}-\d{2}-\d{2})", heading) for heading in HEADINGS[1:]]


def test_the_changelog_begins_with_unreleased_changes() -> None:
    assert HEADINGS[0] == "Unreleased"


def test_every_other_heading_of_the_changelog_is_a_version_with_its_day() -> None:
    assert None not in RELEASES
    assert all(date.fromisoformat(release[4]) for release in RELEASES if release)


def test_releases_are_in_order_the_newest_first() -> None:
    keys = [(*map(int, release.groups()[:3]), release[4]) for release in RELEASES if release]
    assert all(newer > older for newer, older in pairwise(keys))


def test_the_package_has_the_version_of_the_newest_release() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    newest = HEADINGS[1].split(" - ")[0] if HEADINGS[1:] else "0.1.0"
    assert project["version"] == newest
