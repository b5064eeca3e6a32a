"""The reader of the bank's logs for the checks of logs."""

from collections.abc import Iterator
from pathlib import Path

from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.evidence import Evidence


def log_texts(evidence: Evidence, builder: CheckResultBuilder) -> Iterator[tuple[Path, str]]:
    """Yield each log with its text. A log that cannot be read makes the check undecided."""
    for path in evidence.logs:
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            builder.mark_unknown(f"{path.name} cannot be read: {error.strerror}")
            continue
        yield path, text
