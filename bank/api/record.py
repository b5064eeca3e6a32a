"""Which refusals of a request go on record, beyond those that use cases record themselves (spec step 6)."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from bank.errors import BadInput, Forbidden, Unauthenticated
from bank.events.model import ActionRefusedEvent
from bank.graphql.validation.validator import Operation

METHOD_NOT_ALLOWED = "METHOD_NOT_ALLOWED"
# Decisions about whoever asked and what they asked for. Others say that the bank could not, not that it would not.
_OF_MUTATIONS = frozenset({Forbidden.code, Unauthenticated.code, BadInput.code, METHOD_NOT_ALLOWED})
# Reading one's own with an old token or a page of zero harms nobody, and happens all day.
_OF_QUERIES = frozenset({Forbidden.code})


def refusals(
    operation: Operation, caller_id: UUID | None, errors: Sequence[dict[str, Any]]
) -> list[ActionRefusedEvent]:
    """Return an event for each root field that was refused; without a path an error is about all of them."""
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
