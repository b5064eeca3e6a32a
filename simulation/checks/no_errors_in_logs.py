"""The logs of the bank have no line of level error or critical, no traceback, and only JSON objects.

A problem outside the bank (a broken connection, a server that is away) is a warning. An error is a bug of the bank,
also during faults. A library may add a traceback to a warning. This counts as a violation only in a run without
faults. In a run with faults, `bank serve` may also say in one sentence that it could not start because a server was
away.
"""

from pathlib import Path
from typing import Any

import msgspec

from simulation.checks.log_texts import log_texts
from simulation.checks.result_builder import CheckResultBuilder
from simulation.judge.evidence import Evidence
from simulation.model.result import CheckResult

NAME = "no_errors_in_logs"
TITLE = "The logs of the bank have no error, no traceback and only JSON lines"

ERROR_LEVELS = frozenset({"error", "critical"})
NOT_STARTED = "bank: The database does not answer"
TRACEBACK_LINES_MAX = 12
"""Number of shown lines at the end of a traceback, which names the line and the exception; its start is the same for
every request."""


def check(evidence: Evidence) -> CheckResult:
    """Examine every line of every log of the bank."""
    builder = CheckResultBuilder(NAME, TITLE)
    for path, text in log_texts(evidence, builder):
        for number, line in enumerate(text.splitlines(), start=1):
            builder.examine()
            if complaint := _complaint(line, is_broken=bool(evidence.plan.faults)):
                builder.add_violation(f"{_place(path, number)}: {complaint}")
    return builder.result()


def _place(path: Path, number: int) -> str:
    return f"{path.name}, line {number}"


def _complaint(line: str, *, is_broken: bool) -> str | None:
    try:
        entry: Any = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None if is_broken and line.startswith(NOT_STARTED) else f"is not JSON: {line[:300]}"
    if not isinstance(entry, dict):
        return f"is no JSON object: {line[:300]}"
    traceback = str(entry.get("exception") or "")
    if entry.get("level") not in ERROR_LEVELS and not (traceback and not is_broken):
        return None
    # The other fields are shown as well, because an event of the bank is only a name, unlike the text of a library.
    about = {
        name: value
        for name, value in entry.items()
        if name not in {"event", "level", "timestamp", "exception"} and value is not None
    }
    details = "".join(f" {name}={value}" for name, value in about.items())
    return f"{entry.get('level')}: {str(entry.get('event'))[:500]}{details}{_end_of(traceback)}"


def _end_of(traceback: str) -> str:
    lines = traceback.splitlines()
    if not lines:
        return ""
    cut = ["…"] if len(lines) > TRACEBACK_LINES_MAX else []
    return "\n" + "\n".join([*cut, *lines[-TRACEBACK_LINES_MAX:]])
