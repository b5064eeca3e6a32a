"""Error masking: a client gets a sentence, a code and the correlation id; an unexpected error is "Internal error"."""

import re
from collections.abc import Callable
from typing import Any

import structlog
from tartiflette.types.exceptions.tartiflette import TartifletteError

from bank.errors import BadInput, BankError
from bank.telemetry.context import correlation_id

logger = structlog.get_logger(__name__)

InternalErrorHook = Callable[[BaseException], None]

# The only errors that Tartiflette itself raises for a validated document with coerced variables are about arguments
# with a null or missing variable. The rest of its message may contain the value, so it is dropped.
_ARGUMENT = re.compile(r"Argument < (\w+) > (of non-null type|of required type|has invalid value)")
_ARGUMENT_SENTENCES = {
    "of non-null type": "must not be null",
    "of required type": "was not provided",
    "has invalid value": "is not of the type asked for",
}


def error_extensions(code: str, *, retryable: bool = False) -> dict[str, Any]:
    """Return the `extensions` of an error."""
    return {"code": code, "correlationId": correlation_id(), "retryable": retryable}


def format_error(error: BankError) -> dict[str, Any]:
    """Return a BankError as a GraphQL error."""
    return {"message": error.message, "extensions": error_extensions(error.code, retryable=error.retryable)}


def log_internal_error(error: BaseException) -> None:
    """Write an unexpected error to the log, with its traceback."""
    logger.error("graphql_internal_error", exc_info=(type(error), error, error.__traceback__))


def mask_error(exception: Exception, entry: dict[str, Any], on_internal_error: InternalErrorHook) -> dict[str, Any]:
    """Return the masked error for the client, with the path and the locations of `entry`, Tartiflette's rendering."""
    masked = format_error(_expected(exception) or _internal(exception, on_internal_error))
    if entry.get("path"):
        masked["path"] = entry["path"]
    if entry.get("locations"):
        masked["locations"] = entry["locations"]
    return masked


def _expected(exception: Exception) -> BankError | None:
    original = getattr(exception, "original_error", None) or exception
    if isinstance(original, BankError):
        return original
    argument = _ARGUMENT.match(str(original)) if type(original) is TartifletteError else None
    if argument is not None:
        return BadInput(f"Argument {argument.group(1)} {_ARGUMENT_SENTENCES[argument.group(2)]}.")
    return None


def _internal(exception: Exception, on_internal_error: InternalErrorHook) -> BankError:
    on_internal_error(getattr(exception, "original_error", None) or exception)
    return BankError("Internal error")
