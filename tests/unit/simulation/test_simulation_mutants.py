"""Mutants patch public names only, so that a refactoring inside of the bank does not break them."""

import ast
from pathlib import Path

import pytest

from simulation import mutants

FILES = sorted(Path(mutants.__file__).parent.glob("*.py"))
EXCEPTIONS: dict[str, str] = {}
"""The reasons for mutants that need private names, by file name."""


def is_private(name: str) -> bool:
    return name.startswith("_") and not (name.startswith("__") and name.endswith("__"))


def private_names(tree: ast.Module) -> list[str]:
    """Return the private names of other modules that a module reads, patches or imports."""
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name):
                found.append(name)
            case ast.ImportFrom(names=names):
                found += [alias.name for alias in names]
            case ast.Call(func=ast.Name(id="patch"), args=[_, ast.Constant(value=str(name)), *_]):
                found.append(name)
    return [name for name in found if is_private(name)]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_mutant_touches_no_private_name(path: Path) -> None:
    names = private_names(ast.parse(path.read_text(encoding="utf-8")))
    assert bool(names) == (path.stem in EXCEPTIONS), names


@pytest.mark.parametrize(
    "source",
    ["ledger._write(1)", "from bank.ledger.post import _holds", "patch(Ledger, '_commit', commit)", "x = a.b._c"],
)
def test_a_private_name_is_found(source: str) -> None:
    assert private_names(ast.parse(source))


def test_a_mutants_own_names_may_be_private() -> None:
    assert not private_names(ast.parse("def _write(): ...\npatch(Ledger, 'write', _write)\nclass_.__init__()"))
