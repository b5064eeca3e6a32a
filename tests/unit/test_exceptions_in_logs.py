"""Exceptions in the log: their place and kind, but no values of a row that a database server quotes."""

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import asyncpg
import pytest

import bank
from bank.telemetry.exceptions import describe, format_exception, hide_database_texts

PRIVATE = "ana.okonkwo@example.com"


def _violation() -> asyncpg.PostgresError:
    error = asyncpg.UniqueViolationError(f"a row with {PRIVATE}")
    error.detail = f"Failing row contains ({PRIVATE}, 52998224725)."
    error.constraint_name = "users_email_is_unique"
    return error


def _raised(error: Exception, cause: Exception | None = None) -> str:
    with pytest.raises(type(error)) as caught:
        raise error from cause
    return format_exception((type(error), caught.value, caught.tb))


def test_a_database_error_is_its_state_and_the_constraint() -> None:
    assert describe(_violation()) == "UniqueViolationError(sqlstate=23505, constraint_name=users_email_is_unique)"


@pytest.mark.parametrize(
    "text",
    [
        _raised(_violation()),
        _raised(RuntimeError("it broke"), _violation()),
        _raised(ExceptionGroup("some", [_violation(), ValueError("other")])),
        _raised(asyncpg.DataError(f"argument $1: '{PRIVATE}'"), TypeError(f"expected int, got '{PRIVATE}'")),
        _raised(UnicodeEncodeError("utf-8", f"{PRIVATE}\ud800", 23, 24, "surrogates not allowed")),
    ],
)
def test_no_traceback_quotes_a_row(text: str) -> None:
    assert PRIVATE not in text
    assert "52998224725" not in text
    assert text.startswith("Traceback") or "Error(" in text


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (KeyError(PRIVATE), "KeyError: '…'"),
        (ValueError(f"invalid literal for int() with base 10: {PRIVATE!r}"),
         "ValueError: invalid literal for int() with base 10: '…'"),
        (ValueError(f"""time data "it's {PRIVATE}" does not match format '%Y'"""),
         "ValueError: time data '…' does not match format '…'"),
        (AttributeError("'Account' object has no attribute 'amuont'"),
         "AttributeError: 'Account' object has no attribute 'amuont'"),
        (FileNotFoundError(2, "No such file or directory", "contracts/x.toml"),
         "FileNotFoundError: [Errno 2] No such file or directory: 'contracts/x.toml'"),
    ],
)  # fmt: skip
def test_a_quotation_in_a_message_is_hidden_unless_it_is_a_name_of_the_code(error: Exception, line: str) -> None:
    assert _raised(error).splitlines()[-1] == line


def test_a_traceback_otherwise_equals_that_of_python() -> None:
    text = _raised(RuntimeError("my bug"), ValueError("before"))
    assert text.endswith("RuntimeError: my bug")
    assert "ValueError: before" in text
    assert "direct cause" in text
    assert 'test_exceptions_in_logs.py", line' in text


def test_an_exception_in_a_field_or_in_a_message_of_a_library_is_described() -> None:
    error = _violation()
    line: dict[str, Any] = {"event": f"Task failed: {error!r}", "error": error, "exc_info": (type(error), error, None)}
    shown = hide_database_texts(None, "error", line)
    assert PRIVATE not in f"{shown['event']} {shown['error']}"
    assert "23505" in shown["event"]


def test_the_configured_log_quotes_no_row() -> None:
    program = f"""
import asyncio, logging, asyncpg, structlog
from bank.telemetry.logs import configure_logs
configure_logs("info")
log = structlog.get_logger("x")
async def fail(): raise asyncpg.UniqueViolationError("row {PRIVATE}")
async def main():
    task = asyncio.create_task(fail())
    await asyncio.sleep(0)
    del task
asyncio.run(main())
try:
    asyncio.run(fail())
except Exception as error:
    log.exception("broken")
    log.warning("failed", error=error)
    logging.getLogger("library").exception("broken %s", error)
    logging.getLogger("library").warning("broken", exc_info=error)
"""
    ran = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60)
    lines = [json.loads(line) for line in ran.stderr.splitlines()]
    assert len(lines) == 5
    assert PRIVATE not in ran.stderr
    assert ran.stderr.count("23505") >= 5


def test_log_calls_pass_exceptions_and_not_their_repr() -> None:
    """A text made by `repr` can no longer be described without its values."""
    wrong = []
    for path in Path(bank.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).startswith("logger."):
                wrong += [
                    f"{path.name}:{node.lineno}"
                    for part in node.keywords
                    if ast.unparse(part.value).startswith("repr(")
                ]
    assert wrong == []
