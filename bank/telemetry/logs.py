"""Structured logs: one JSON object a line on stderr, each with the correlation id of its request (spec step 7)."""

import logging
import sys
from collections.abc import MutableMapping
from typing import Any

import msgspec
import structlog

from bank.telemetry.context import current_context
from bank.telemetry.exceptions import format_exception, hide_database_texts

# Values under these names never reach a log line, whoever puts them there.
_SECRET = frozenset(
    {"password", "password_hash", "token", "access_token", "refresh_token", "authorization", "cpf", "secret"}
)


def configure_logs(level: str) -> None:
    """Send every log line, also those of libraries, to stderr as JSON."""
    shared: list[Any] = [
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _add_context,
        hide_database_texts,
        _hide_secrets,
    ]
    structlog.configure(
        processors=[*shared, structlog.processors.ExceptionRenderer(format_exception), _render],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.ExceptionRenderer(format_exception),
                _render,
            ],
        )
    )
    logging.basicConfig(level=max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]), handlers=[handler])


def _add_context(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    context = current_context()
    if context is not None:
        line.setdefault("correlation_id", context.correlation_id)
        if context.actor_id is not None:
            line.setdefault("user_id", str(context.actor_id))
    return line


def _hide_secrets(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name in _SECRET & line.keys():
        line[name] = "***"
    return line


def _render(_logger: Any, _method: str, line: MutableMapping[str, Any]) -> str:
    return msgspec.json.encode(line, enc_hook=repr).decode()
