"""What every GraphQL document passes before the engine sees it.

In order: bytes, tokens and nesting without recursion; graphql-core's parser; measures with fragments taken once; graphql-core's
validation in full; then what the rest of the bank wants to know of it. Answers are kept, refusals too: a document is
looked at once, and each is answered within 50 ms of one core.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from types import MappingProxyType
from typing import Any, Generic, TypeVar

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    TokenKind,
    build_schema,
    get_named_type,
    is_composite_type,
    parse,
    validate,
)
from graphql.type import GraphQLInterfaceType, GraphQLNamedType

from bank.api.limits import PARSE_FAILED, TOO_LARGE, VALIDATION_FAILED, Limits, Measures, RefusedDocument, flatten
from bank.api.normalise import read_tokens, write_tokens
from bank.api.scalars import attach_scalars
from bank.api.wording import document_error

ADMITTED_MAX = 256  # documents kept; clients send a few dozen, and at their largest these are 16 MiB
REFUSED_MAX = 1_024  # refusals kept, by digest; so that sending a bad document again costs nothing
ERRORS_MAX = 5  # more errors help nobody, and looking for them is work

OPERATION_NOT_FOUND = "OPERATION_NOT_FOUND"
OPERATION_NAME_REQUIRED = "OPERATION_NAME_REQUIRED"


class Refused(Exception):  # noqa: N818 - a refusal; bank.errors names its classes the same way
    """A document or an operation name is not accepted. `errors` are GraphQL errors, ready for the `errors` of a response."""

    def __init__(self, errors: list[dict[str, Any]]) -> None:
        super().__init__(errors[0]["message"])
        self.errors = errors

    @property
    def code(self) -> str:
        """The code of the first error."""
        code: str = self.errors[0]["extensions"]["code"]
        return code


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of an admitted document.

    `kind` is "query", "mutation" or "subscription". `roots` are the root fields in the order they run, once for each alias,
    fragments written out. `fields` are the coordinates ("Account.balance") of all it may reach.
    """

    name: str | None
    kind: str
    roots: tuple[str, ...]
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class Admitted:
    """A document the engine may run: its normalised text, the hex SHA-256 of that, its tokens counted, its operations."""

    text: str
    digest: str
    tokens: int
    operations: Mapping[str | None, Operation]

    def operation(self, name: str | None) -> Operation:
        """Return the operation of this name, or the only one if there is no name; raise Refused otherwise."""
        if name is None:
            if len(self.operations) == 1:
                return next(iter(self.operations.values()))
            message = "The document has several operations: operationName has to say which."
            raise Refused([document_error(OPERATION_NAME_REQUIRED, message)])
        if name not in self.operations:
            raise Refused([document_error(OPERATION_NOT_FOUND, "The document has no operation of this name.")])
        return self.operations[name]


Kept = TypeVar("Kept")


class _Recent(Generic[Kept]):
    """The values last asked for, at most so many."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[str, Kept] = OrderedDict()

    def get(self, key: str) -> Kept | None:
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: str, value: Kept) -> None:
        self._values[key] = value
        if len(self._values) > self._size:
            self._values.popitem(last=False)


class Gate:
    """Admits documents for one schema."""

    def __init__(self, sdl: str, limits: Limits | None = None) -> None:
        self._schema = build_schema(sdl)
        attach_scalars(self._schema)
        self._limits = limits or Limits()
        self._admitted: _Recent[Admitted] = _Recent(ADMITTED_MAX)
        self._refused: _Recent[tuple[RefusedDocument, ...]] = _Recent(REFUSED_MAX)

    def admit(self, source: str) -> Admitted:
        """Return the document as admitted; raise Refused with what is wrong with it."""
        admitted = self._admitted.get(source)
        if admitted is not None:
            return admitted
        digest = self._digest(source)
        refusals = self._refused.get(digest)
        if refusals is None:
            try:
                admitted = self._examine(source)
            except RefusedDocument as refusal:
                refusals = (refusal.with_traceback(None),)
            except ExceptionGroup as group:
                raise
            else:
                self._admitted.put(source, admitted)
                return admitted
            self._refused.put(digest, refusals)
        raise Refused([document_error(refusal.code, refusal.error.message) for refusal in refusals])
