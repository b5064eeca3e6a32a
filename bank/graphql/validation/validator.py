"""Validation of GraphQL documents before the engine sees them.

In order: size; tokens and nesting, without recursion; graphql-core's parser; complexity, each fragment counted once;
graphql-core's validation rules; then the operations and the fields that they reach. Results are cached, errors too: a
document is validated once, and any document takes at most 50 ms of one core.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from inspect import signature
from math import isinf
from types import MappingProxyType
from typing import Any

from cachetools import LRUCache
from graphql import (
    DocumentNode,
    ExecutableDefinitionNode,
    FieldNode,
    FloatValueNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLNamedType,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLSyntaxError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    Token,
    TokenKind,
    Visitor,
    build_schema,
    get_named_type,
    parse,
    validate,
    visit,
)

from bank.graphql.scalars import LiteralError, ScalarCodecs, attach_scalars
from bank.graphql.suggestions import printable_name, suggestion, with_suggestion
from bank.graphql.validation.errors import (
    DOCUMENT_TOO_LARGE,
    OPERATION_NAME_REQUIRED,
    OPERATION_NOT_FOUND,
    PARSE_FAILED,
    VALIDATION_FAILED,
    DocumentError,
    document_error,
)
from bank.graphql.validation.limits import ComplexityCheck, DocumentLimits, flatten
from bank.graphql.validation.normalization import read_tokens, write_tokens

DOCUMENTS_MAX = 256  # documents cached; clients send a few dozen, and at their largest these are 16 MiB
REJECTIONS_MAX = 1_024  # errors cached, by digest, so that sending a bad document again costs next to nothing
ERRORS_MAX = 5  # further errors do not help, and finding them costs time

# Suggestions cost time, and the bank makes its own (`suggestion.py`); graphql-core can leave them out since 3.3.
_WITHOUT_SUGGESTIONS: dict[str, Any] = (
    {"hide_suggestions": True} if "hide_suggestions" in signature(validate).parameters else {}
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a validated document.

    `kind` is "query", "mutation" or "subscription". `roots` are the root fields in the order they run, once for each
    response name, fragments written out; `names` are the response names. `fields` are the coordinates
    ("Account.balance") of all that it can reach.
    """

    name: str | None
    kind: str
    roots: tuple[str, ...]
    names: tuple[str, ...]
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class ValidatedDocument:
    """A document that the engine may execute: its text, the hex SHA-256 of it, its tokens and operations by name."""

    text: str
    digest: str
    tokens: int
    operations: Mapping[str | None, Operation]

    def operation(self, name: str | None) -> Operation:
        """Return the operation of this name, or where there is no name the only one; raise DocumentError otherwise."""
        if name is not None:
            operation = self.operations.get(name)
            if operation is None:
                names = [known for known in self.operations if known]
                known = suggestion(printable_name(name), names, "its operations are")
                raise document_error(
                    OPERATION_NOT_FOUND, with_suggestion("The document has no operation of this name.", known)
                )
            return operation
        if len(self.operations) > 1:
            raise document_error(
                OPERATION_NAME_REQUIRED, "The document has several operations; operationName says which to run."
            )
        return next(iter(self.operations.values()))


class DocumentValidator:
    """Validates documents against one schema and its limits."""

    def __init__(self, sdl: str, limits: DocumentLimits | None = None, *, codecs: ScalarCodecs | None = None) -> None:
        self._schema = build_schema(sdl)
        attach_scalars(self._schema, codecs or {})
        self._limits = limits or DocumentLimits()
        self._documents: LRUCache[str, ValidatedDocument] = LRUCache(DOCUMENTS_MAX)
        self._errors: LRUCache[str, DocumentError] = LRUCache(REJECTIONS_MAX)

    def validate(self, source: str) -> ValidatedDocument:
        """Return the validated document; raise DocumentError with what is wrong with it."""
        document = self._documents.get(source)
        if document is None:
            encoded = self._encode(source)
            digest = sha256(encoded).hexdigest()
            known_error = self._errors.get(digest)
            if known_error is not None:
                raise known_error.copy()
            try:
                document = self._validate_once(source)
            except DocumentError as error:
                self._errors[digest] = error.copy()
                raise
            self._documents[source] = document
        return document

    def _encode(self, source: str) -> bytes:
        limit = self._limits.document_bytes
        try:
            # By characters first: a document of megabytes is not worth encoding to learn that it is too large.
            encoded = source.encode() if len(source) <= limit else None
        except UnicodeEncodeError:
            raise document_error(PARSE_FAILED, "The document is not valid Unicode.") from None
        if encoded is None or len(encoded) > limit:
            raise document_error(DOCUMENT_TOO_LARGE, f"The document has more than {limit} bytes.")
        return encoded

    def _validate_once(self, source: str) -> ValidatedDocument:
        tokens = read_tokens(source, self._limits)
        try:
            document = parse(source, max_tokens=self._limits.tokens)
        except GraphQLSyntaxError as error:
            raise DocumentError(PARSE_FAILED, [error]) from None
        ComplexityCheck(document, self._limits).check()
        errors = validate(self._schema, document, max_errors=ERRORS_MAX, **_WITHOUT_SUGGESTIONS)
        if errors:
            raise DocumentError(VALIDATION_FAILED, errors[:ERRORS_MAX], document, self._schema)
        _check_numbers(document, tokens)
        text = write_tokens(source, _without_descriptions(tokens, document))
        return ValidatedDocument(text, sha256(text.encode()).hexdigest(), len(tokens), self._operations(document))

    def _operations(self, document: DocumentNode) -> Mapping[str | None, Operation]:
        fragments = {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}
        collector = _FieldCollector(self._schema, fragments)
        operations: dict[str | None, Operation] = {}
        for node in document.definitions:
            if not isinstance(node, OperationDefinitionNode):
                continue
            root_type = self._schema.get_root_type(node.operation)
            if root_type is None:  # graphql-core before 3.3 has no rule for it
                raise document_error(VALIDATION_FAILED, f"The schema has no {node.operation.value} operations.", node)
            name = node.name.value if node.name else None
            by_name = flatten([node.selection_set], fragments)
            roots = tuple(same_name[0].name.value for same_name in by_name.values())
            fields = frozenset(collector.of(node.selection_set, root_type))
            operations[name] = Operation(name, node.operation.value, roots, tuple(by_name), fields)
        return MappingProxyType(operations)


def _check_numbers(document: DocumentNode, tokens: list[Token]) -> None:
    """Refuse a number that a float cannot hold: no type has a place for it, and as infinity it would mean another."""
    starts = {token.start for token in tokens if token.kind is TokenKind.FLOAT and isinf(float(token.value or "0"))}
    if starts:
        finder = _Numbers(starts)
        visit(document, finder)
        raise DocumentError(VALIDATION_FAILED, finder.errors[:ERRORS_MAX], document)


class _Numbers(Visitor):
    def __init__(self, starts: set[int]) -> None:
        super().__init__()
        self._starts = starts
        self.errors: list[GraphQLError] = []

    def enter_float_value(self, node: FloatValueNode, *_: Any) -> None:
        if node.loc and node.loc.start in self._starts:
            self.errors.append(LiteralError("A number is out of range.", node))


def _without_descriptions(tokens: list[Token], document: DocumentNode) -> list[Token]:
    # Operations, fragments and variables may have descriptions since September 2025; Tartiflette is of 2018.
    described = [node for node in document.definitions if isinstance(node, ExecutableDefinitionNode)]
    nodes = [*described, *(variable for node in described for variable in node.variable_definitions or ())]
    descriptions = [getattr(node, "description", None) for node in nodes]
    starts = {description.loc.start for description in descriptions if description is not None and description.loc}
    return [token for token in tokens if token.start not in starts] if starts else tokens


class _FieldCollector:
    """Collects the coordinates that a valid selection set reaches; each fragment is visited once."""

    def __init__(self, schema: GraphQLSchema, fragments: Mapping[str, FragmentDefinitionNode]) -> None:
        self._schema = schema
        self._fragments = fragments
        self._of_fragment: dict[str, set[str]] = {}

    def of(self, selection_set: SelectionSetNode, parent: GraphQLNamedType) -> set[str]:
        coordinates: set[str] = set()
        for selection in selection_set.selections:
            if isinstance(selection, FieldNode):
                coordinates.add(f"{parent.name}.{selection.name.value}")
                if selection.selection_set is not None:
                    coordinates |= self.of(selection.selection_set, self._type_of(selection.name.value, parent))
            elif isinstance(selection, InlineFragmentNode):
                condition = selection.type_condition
                on_type = self._schema.type_map[condition.name.value] if condition else parent
                coordinates |= self.of(selection.selection_set, on_type)
            elif isinstance(selection, FragmentSpreadNode):
                coordinates |= self._fragment(selection.name.value)
        return coordinates

    def _fragment(self, name: str) -> set[str]:
        if name not in self._of_fragment:
            fragment = self._fragments[name]
            on_type = self._schema.type_map[fragment.type_condition.name.value]
            self._of_fragment[name] = self.of(fragment.selection_set, on_type)
        return self._of_fragment[name]

    def _type_of(self, field: str, parent: GraphQLNamedType) -> GraphQLNamedType:
        if field in ("__schema", "__type"):
            return self._schema.type_map["__Schema" if field == "__schema" else "__Type"]
        assert isinstance(parent, GraphQLObjectType | GraphQLInterfaceType)  # guaranteed by the validation rules
        named: GraphQLNamedType = get_named_type(parent.fields[field].type)
        return named
