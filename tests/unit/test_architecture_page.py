"""The page about the architecture names every package of the bank, and the layers as import-linter holds them."""

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/architecture.md").read_text()
PACKAGES = dict(re.findall(r"^\| `((?:bank|simulation|fixtures|contracts)/[a-z_]*/?)` \| (.*) \|$", PAGE, re.MULTILINE))


def test_every_package_of_the_bank_has_a_row() -> None:
    packages = {f"bank/{path.parent.name}/" for path in (ROOT / "bank").glob("*/__init__.py")}
    assert packages
    assert packages <= PACKAGES.keys(), packages - PACKAGES.keys()


def test_the_files_of_a_row_exist() -> None:
    named = 0
    for package, row in PACKAGES.items():
        for name in re.findall(r"`([a-z_]+(?:\.(?:py|sql)|/))`", row):
            named += 1
            assert (ROOT / package / name).exists(), f"{package}{name}"
    assert named > 20


def test_the_layers_are_those_of_import_linter() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = [set(re.findall(r"bank\.([a-z_]+)", layer)) for layer in contracts[0]["layers"]]
    section = PAGE.partition("Imports point in one direction")[2].partition("Packages in the same row")[0]
    rows = [set(re.findall(r"`([a-z_]+)`", row)) for row in re.split(r"^\d+\. ", section, flags=re.MULTILINE)[1:]]
    assert rows[:-1] == layers[: len(rows) - 1]
    assert rows[-1] == set().union(*layers[len(rows) - 1 :])
