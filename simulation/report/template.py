"""The loader of the page templates, with escaping by default and an error for undefined names."""

from collections.abc import Callable, Mapping
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, Template


def load_template(name: str, *, filters: Mapping[str, Callable[..., Any]] | None = None) -> Template:
    """Return a template of this folder, with additional filters."""
    environment = Environment(
        loader=PackageLoader("simulation.report", package_path=""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters or {})
    return environment.get_template(name)
