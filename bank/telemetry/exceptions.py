"""Rendering of exceptions in the log, without values of rows or of requests.

The message, detail and context of a database error quote values: an address, a CPF, a whole row. To find the cause, the
SQLSTATE and the names of constraint, table and column are enough. Other exceptions of Python and of libraries quote the
value that they cannot read; its place in the code is enough.
"""

import re
import traceback
from collections.abc import Iterator, MutableMapping
from types import TracebackType
from typing import Any

import asyncpg
import sqlalchemy.exc
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi

# Names of the schema, not values of rows.
_NAMES = ("sqlstate", "schema_name", "table_name", "column_name", "constraint_name")

# What these quote are names of the code, and paths of files.
_QUOTE_NAMES = (AttributeError, NameError, ImportError, TypeError, OSError)
HIDDEN = "'…'"
_QUOTATION = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"")

ExceptionInfo = tuple[type[BaseException], BaseException, TracebackType | None]


def describe(error: BaseException) -> str:
    """Return an exception as one line, without values of rows or of requests."""
    if (line := _without_message(error)) is not None:
        return line
    return repr(error) if _has_no_values(error) else f"{type(error).__name__}({_QUOTATION.sub(HIDDEN, str(error))})"


def _without_message(error: BaseException) -> str | None:
    """Return the line of an exception whose message is not shown at all, or None."""
    match error:
        case asyncpg.PostgresError():
            named = ((name, getattr(error, name, None)) for name in _NAMES)
            return f"{type(error).__name__}({', '.join(f'{name}={value}' for name, value in named if value)})"
        case sqlalchemy.exc.StatementError() | AsyncAdapt_asyncpg_dbapi.Error() | UnicodeError():
            # These contain the parameters of a statement, the server's text, or the text that cannot be encoded.
            return f"{type(error).__name__}(…)"
        case BaseExceptionGroup():
            return f"{type(error).__name__}({', '.join(describe(one) for one in error.exceptions)})"
    return None


def _has_no_values(error: BaseException) -> bool:
    """Return whether the message of an exception is one of the bank, or can quote only names of the code."""
    return isinstance(error, _QUOTE_NAMES) or type(error).__module__.partition(".")[0] == "bank"


def format_exception(exc_info: ExceptionInfo) -> str:
    """Return a traceback with its causes, in Python's format, with each exception rendered by `describe`."""
    return "".join(_chain(exc_info[1], set())).rstrip("\n")


def hide_database_texts(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace exceptions by their descriptions, in a log line's values and in its message."""
    for name, value in line.items():
        if isinstance(value, BaseException) and name != "exc_info":
            line[name] = describe(value)
    error = _error_of(line.get("exc_info"))
    message = line.get("event")
    if error is not None and isinstance(message, str):
        for one in _related(error, set()):
            for text in filter(None, (repr(one), str(one))):
                message = message.replace(text, describe(one)) if len(text) > len(type(one).__name__) else message
        line["event"] = message
    return line


def _error_of(exc_info: Any) -> BaseException | None:
    match exc_info:
        case BaseException():
            return exc_info
        case (_, BaseException() as error, _):
            return error
    return None


def _related(error: BaseException, seen: set[int]) -> Iterator[BaseException]:
    """Yield an exception, its causes, and the members of exception groups, each once."""
    if id(error) in seen:
        return
    seen.add(id(error))
    yield error
    inner = error.exceptions if isinstance(error, BaseExceptionGroup) else ()
    for one in (error.__cause__, error.__context__, *inner):
        if one is not None:
            yield from _related(one, seen)


def _chain(error: BaseException, seen: set[int]) -> Iterator[str]:
    if id(error) in seen:
        return
    seen.add(id(error))
    if error.__cause__ is not None:
        if isinstance(error, asyncpg.PostgresError):
            # The value could not be encoded as an argument of a statement, and the cause quotes it.
            yield f"{type(error.__cause__).__name__}(…)\n"
        else:
            yield from _chain(error.__cause__, seen)
        yield "\nThe above exception was the direct cause of the following exception:\n\n"
    elif error.__context__ is not None and not error.__suppress_context__:
        yield from _chain(error.__context__, seen)
        yield "\nDuring handling of the above exception, another exception occurred:\n\n"
    if isinstance(error, BaseExceptionGroup):
        for one in error.exceptions:
            yield from _chain(one, seen)
            yield "\nThe above exception is one of the following group:\n\n"
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(error.__traceback__)
    if (line := _without_message(error)) is not None:
        yield f"{line}\n"
    else:
        lines = "".join(traceback.format_exception_only(error))
        yield lines if _has_no_values(error) else _QUOTATION.sub(HIDDEN, lines)
