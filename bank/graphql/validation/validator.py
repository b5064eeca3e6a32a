"""Validation of GraphQL documents before the engine executes them.

The steps are: size; tokens and nesting, without recursion; graphql-core's parser; complexity, with each fragment
counted once; graphql-core's validation rules; the operations and the fields that they select. Documents and errors are
cached, so that a document is validated once. The validation of any document takes at most 50 ms of one core.
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

DOCUMENTS_MAX = 256  # cached documents; clients send a few dozen, and the largest 256 take 16 MiB
REJECTIONS_MAX = 1_024  # cached errors, by digest, so that a repeated invalid document costs almost nothing
ERRORS_MAX = 5  # further errors would not help, and take time to find

# graphql-core can leave out its suggestions since 3.3. They take time, and `unknown_names.py` makes the bank's own.
_WITHOUT_SUGGESTIONS: dict[str, Any] = (
    {"hide_suggestions": True} if "hide_suggestions" in signature(validate).parameters else {}
)


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation of a validated document.

    `kind` is "query", "mutation" or "subscription". `roots` are the root fields in the order of their execution, one
    for each response name, with fragments expanded; `names` are the response names. `fields` are the coordinates
    ("Account.balance") of all fields that it selects.
    """

    name: str | None
    kind: str
    roots: tuple[str, ...]
    names: tuple[str, ...]
    fields: frozenset[str]


@dataclass(frozen=True, slots=True)
class ValidatedDocument:
    """A document that the engine may execute: its normalised text, and its operations by name.

    `digest` is the SHA-256 of the text in hex; `tokens` is the number of tokens.
    """

    text: str
    digest: str
    tokens: int
    operations: Mapping[str | None, Operation]

    def operation(self, name: str | None) -> Operation:
        """Return the operation with this name; for None the only operation. Raises DocumentError if there is none."""
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
    """The validator of documents for one schema and its limits."""

    def __init__(self, sdl: str, limits: DocumentLimits | None = None, *, codecs: ScalarCodecs | None = None) -> None:
        self._schema = build_schema(sdl)
        attach_scalars(self._schema, codecs or {})
        self._limits = limits or DocumentLimits()
        self._documents: LRUCache[str, ValidatedDocument] = LRUCache(DOCUMENTS_MAX)
        self._errors: LRUCache[str, DocumentError] = LRUCache(REJECTIONS_MAX)

    def validate(self, source: str) -> ValidatedDocument:
        """Return the validated document. Raises DocumentError for an invalid one."""
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
            # The characters are counted first, so that a document of megabytes is not encoded in vain.
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
    """Raise DocumentError for a number beyond the range of a float, which would become infinity."""
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
    # Operations, fragments and variables may have descriptions since September 2025, but Tartiflette's grammar is from
    # 2018.
    described = [node for node in document.definitions if isinstance(node, ExecutableDefinitionNode)]
    nodes = [*described, *(variable for node in described for variable in node.variable_definitions or ())]
    descriptions = [getattr(node, "description", None) for node in nodes]
    starts = {description.loc.start for description in descriptions if description is not None and description.loc}
    return [token for token in tokens if token.start not in starts] if starts else tokens


class _FieldCollector:
    """A collector of the coordinates that a valid selection set selects. It visits each fragment once."""

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
