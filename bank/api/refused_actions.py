"""The refused actions of a request that are audited, beyond those that use cases record themselves (S6)."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from bank.errors import BadInput, BankError, Forbidden, Unauthenticated
from bank.events.types.audit import ActionRefusedEvent
from bank.graphql.validation.validator import Operation


class MethodNotAllowed(BankError):
    """An operation must not be sent with the HTTP method of its request."""

    code = "METHOD_NOT_ALLOWED"


# Decisions about the caller and the request. Other codes say that the bank could not, not that it would not.
_OF_MUTATIONS = frozenset({Forbidden.code, Unauthenticated.code, BadInput.code, MethodNotAllowed.code})
# Reading with an expired token or a page size of zero is harmless, and happens all day.
_OF_QUERIES = frozenset({Forbidden.code})


def refused_actions(
    operation: Operation, caller_id: UUID | None, errors: Sequence[dict[str, Any]]
) -> list[ActionRefusedEvent]:
    """Return an event for each root field that was refused; an error without a path is about all of them."""
    codes = _OF_MUTATIONS if operation.kind == "mutation" else _OF_QUERIES
    return [
        ActionRefusedEvent(
            action=field,
            code=error["extensions"]["code"],
            entity_type="User",
            entity_id=caller_id,
            initiated_by=caller_id,
        )
        for error in errors
        if error["extensions"]["code"] in codes
        for field in _fields(operation, error.get("path") or ())
    ]


def _fields(operation: Operation, path: Sequence[Any]) -> Iterable[str]:
    if not path:
        return operation.roots
    if operation.kind == "mutation" and len(path) > 1:
        # Something that was to be read from the answer: the mutation itself was done.
        return ()
    return (operation.roots[operation.names.index(path[0])],)
