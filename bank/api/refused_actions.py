"""The audit events for refused actions that no use case has recorded itself (S6)."""

from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from bank.errors import BadInput, BankError, Forbidden, SecondFactorRequired, Unauthenticated
from bank.events.types.audit import ActionRefusedEvent
from bank.graphql.validation.validator import Operation


class MethodNotAllowed(BankError):
    """An operation must not be sent with the HTTP method of its request."""

    code = "METHOD_NOT_ALLOWED"


# Decisions about the caller and the request. The other codes are failures of the bank, not refusals.
_AUDITED_OF_MUTATIONS = frozenset(
    {Forbidden.code, SecondFactorRequired.code, Unauthenticated.code, BadInput.code, MethodNotAllowed.code}
)
# A query with an expired token or a page size of zero is harmless and frequent, so it is not audited.
_AUDITED_OF_QUERIES = frozenset({Forbidden.code, SecondFactorRequired.code})


def refused_actions(
    operation: Operation, caller_id: UUID | None, errors: Sequence[dict[str, Any]]
) -> list[ActionRefusedEvent]:
    """Return an event for each root field that was refused. An error without a path refuses all root fields."""
    codes = _AUDITED_OF_MUTATIONS if operation.kind == "mutation" else _AUDITED_OF_QUERIES
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
        return ()  # only a field of the payload failed: the mutation itself was executed
    return (operation.roots[operation.names.index(path[0])],)
