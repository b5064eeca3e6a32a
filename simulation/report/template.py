"""Templates of the report's pages: escaped by default, and strict about names that are not there."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def load_template(name: str, *, filters: Mapping[str, Callable[..., Any]] | None = None) -> Template:
    """Return a template of this folder, with filters of its own."""
    environment = Environment(
        loader=PackageLoader("simulation.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(name)
