"""Answers that no operation has given: their body, and the headers that every answer carries."""

import msgspec

from bank.errors import BankError
from bank.graphql.errors import format_error
from bank.telemetry.context import correlation_id

JSON = "application/json"
# Answers are somebody's own and of one moment: nothing between keeps them, and no browser takes them for another type.
# Which program of which version answers is nobody's business.
ALWAYS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff", "Server": "bank"}
HEADERS = {**ALWAYS, "Content-Type": f"{JSON}; charset=utf-8"}


def fault_body(error: BankError) -> bytes:
    """Return an error as a whole GraphQL answer."""
    return msgspec.json.encode({"errors": [format_error(error)]})


def correlation_header() -> dict[str, str]:
    """Return the header that names the request at hand; empty outside of any."""
    current = correlation_id()
    return {"X-Correlation-ID": current} if current else {}
