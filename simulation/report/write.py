"""Write the report's files, each whole or not at all."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from simulation.model.result import IncompleteRun, RunResult
from simulation.report import incomplete
from simulation.report.document import render_json
from simulation.report.junit import render_junit


class ReportError(Exception):
    """The report cannot be written where it was asked for; the message is one sentence."""


def prepare_folder(out: Path) -> None:
    """Make the folder, and make sure that files can be written in it: better before a run than after it.

    Raises ReportError where it cannot be used.
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

    The page comes last: who sees it change finds the other two changed. Raises ReportError where a file cannot be
    written; what was there before is then still there, whole.
    """
    # The page draws its plots with matplotlib, which nothing else should have to wait for.
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
    """Write the same three files about a run that did not come to a verdict, and return their paths.

    Raises ReportError where a file cannot be written.
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
    """Write beside the file and rename over it, so that nobody ever reads half of it."""
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_text(text, encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise ReportError(f"{path} cannot be written: {(error.strerror or str(error)).lower()}") from error
