"""The writer of the report's files, which replaces each file atomically."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from simulation.model.result import IncompleteRun, RunResult
from simulation.report import incomplete
from simulation.report.document import render_json
from simulation.report.junit import render_junit


class ReportError(Exception):
    """An error: the report cannot be written to the requested folder. The message is one sentence."""


def prepare_folder(out: Path) -> None:
    """Create the folder, and check that files can be written to it, so an invalid folder is an error before the run.

    Raises ReportError if it cannot be used.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except (FileExistsError, NotADirectoryError) as error:
        raise ReportError(f"the report cannot go to {out}: {error.filename or out} is not a folder") from error
    except OSError as error:
        raise ReportError(f"the report cannot go to {out}: {(error.strerror or str(error)).lower()}") from error


def write_report(result: RunResult, out: Path) -> list[Path]:
    """Write `report.html`, `report.json` and `junit.xml` into the folder `out` and return their paths.

    The page is written last, so the other two are new if the page is. Raises ReportError if a file cannot be written;
    its earlier version then stays unchanged.
    """
    # Imported here, because the page needs matplotlib, whose import would delay all other commands.
    from simulation.report.html import render_page  # noqa: PLC0415 - see above

    prepare_folder(out)
    renderers: dict[str, Callable[[RunResult], str]] = {
        "report.json": render_json,
        "junit.xml": render_junit,
        "report.html": render_page,
    }
    texts = {out / name: render(result) for name, render in renderers.items()}
    for path, text in texts.items():
        _replace(path, text)
    return [out / "report.html", out / "report.json", out / "junit.xml"]


def write_incomplete(run: IncompleteRun, out: Path) -> list[Path]:
    """Write the same three files for a run without a verdict, and return their paths.

    Raises ReportError if a file cannot be written.
    """
    prepare_folder(out)
    texts = {
        "report.json": incomplete.render_json(run),
        "junit.xml": incomplete.render_junit(run),
        "report.html": incomplete.render_page(run),
    }
    for name, text in texts.items():
        _replace(out / name, text)
    return [out / "report.html", out / "report.json", out / "junit.xml"]


def _replace(path: Path, text: str) -> None:
    """Write a temporary file and rename it over the old one, so no reader sees an incomplete file."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ReportError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error
