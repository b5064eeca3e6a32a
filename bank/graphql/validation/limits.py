"""Limits on the size, depth and complexity of a GraphQL document, and the check of one document against them.

The check runs before validation, because validation itself is quadratic in some of these counts. The check is linear in
the document: a fragment is counted once, however often it is spread.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
)

from bank.graphql.validation.errors import (
    DOCUMENT_TOO_COMPLEX,
    DOCUMENT_TOO_DEEP,
    PARSE_FAILED,
    VALIDATION_FAILED,
    document_error,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentLimits:
    """The largest accepted document. With the defaults every document is validated within 50 ms of one core.

    The standard introspection query is the largest document that ordinary clients send: 1.6 kB, 183 tokens, 15 levels.
    """

    document_bytes: int = 32 * 1024  # twenty times introspection; checked before any token is read
    tokens: int = 2_000  # lexing and parsing cost 5 to 12 µs a token
    comments: int = 500  # lexing a comment costs as much as a token
    name_length: int = 100  # suggestions and messages are quadratic in the length of a name
    number_length: int = 40  # int() is quadratic in digits; a 64-bit integer has nineteen
    nesting: int = 40  # the parser recurses for each bracket: of selections, arguments and input objects together
    depth: int = 20  # introspection needs fifteen levels, the history of an account seven
    fields: int = 300  # validation costs 50 µs a field; counted with every fragment expanded
    aliases: int = 100  # enough for five reads of each of twenty accounts
    root_fields: int = 20  # each is a separate read; a person has twenty accounts at most
    mutation_fields: int = 5  # each is a separate transaction, one after the other
    values: int = 100  # graphql-core prints an object once for each of its errors; an input of the contract has ten
    introspections: int = 3  # of __schema and __type; each may list all types, which takes 20 ms
    directives: int = 50
    operations: int = 10  # validation rules visit every fragment for every operation
    fragments: int = 30  # validation rules compare all pairs of fragments
    spreads: int = 100
    variables: int = 50
    merges: int = 200  # pairs of selections with one response name, which have to be compared


@dataclass(frozen=True, slots=True)
class _Extent:
    """Depth and number of fields of a selection set with its fragments expanded."""

    depth: int
    fields: int


@dataclass(slots=True)
class _Counts:
    """The numbers of elements in the text of a document, without expanding fragments."""

    fields: int = 0
    aliases: int = 0
    directives: int = 0
    spreads: int = 0
    values: int = 0


@dataclass(slots=True)
class ComplexityCheck:
    """The complexity of one document; `check` raises DocumentError at the first limit that is exceeded."""

    document: DocumentNode
    limits: DocumentLimits
    fragments: dict[str, FragmentDefinitionNode] = field(default_factory=dict)
    _extents: dict[str, _Extent] = field(default_factory=dict)
    _entered: set[str] = field(default_factory=set)

    def check(self) -> None:
        """Compare the document with every limit."""
        operations = [node for node in self.document.definitions if isinstance(node, OperationDefinitionNode)]
        fragments = [node for node in self.document.definitions if isinstance(node, FragmentDefinitionNode)]
        self.fragments = {node.name.value: node for node in fragments}
        self._check_written(operations, fragments)
        expanded = sum(self._extent(operation.selection_set, 1, 1).fields for operation in operations)
        _at_most("fields, with fragments written out", expanded, self.limits.fields)
        for fragment in fragments:
            if fragment.name.value not in self._extents:  # an unused fragment was not measured, and could be costly
                raise document_error(VALIDATION_FAILED, f"Fragment '{fragment.name.value}' is never used.", fragment)
        merges = sum(self._merges([operation.selection_set]) for operation in operations)
        _at_most("pairs of selections with one response name", merges, self.limits.merges)
        for operation in operations:
            mutation = operation.operation is OperationType.MUTATION
            limit = self.limits.mutation_fields if mutation else self.limits.root_fields
            roots = flatten([operation.selection_set], self.fragments)
            _at_most("mutations in one operation" if mutation else "root fields", len(roots), limit)
            self._check_introspection(roots)

    def _check_introspection(self, roots: Mapping[str, list[FieldNode]]) -> None:
        # The response to an introspection is bounded, but aliases could repeat its parts without a limit.
        asked = [nodes for nodes in roots.values() if nodes[0].name.value in ("__schema", "__type")]
        _at_most("introspections", len(asked), self.limits.introspections)
        while asked:
            nested = [node.selection_set for node in asked.pop() if node.selection_set]
            for key, nodes in flatten(nested, self.fragments).items():
                if key != nodes[0].name.value:
                    raise document_error(DOCUMENT_TOO_COMPLEX, "Introspection has no aliases.", nodes[0])
                asked.append(nodes)

    def _check_written(
        self, operations: list[OperationDefinitionNode], fragments: list[FragmentDefinitionNode]
    ) -> None:
        limits = self.limits
        _at_most("operations", len(operations), limits.operations)
        _at_most("fragments", len(fragments), limits.fragments)
        counts = _Counts()
        for definition in (*operations, *fragments):
            variables = definition.variable_definitions or ()
            _at_most("variables", len(variables), limits.variables)
            counts.values += sum(_count_values(node.default_value) for node in variables)
            _count(definition.selection_set, counts)
            counts.directives += len(definition.directives or ()) + sum(
                len(node.directives or ()) for node in variables
            )
        _at_most("fields", counts.fields, limits.fields)
        _at_most("aliases", counts.aliases, limits.aliases)
        _at_most("directives", counts.directives, limits.directives)
        _at_most("fragment spreads", counts.spreads, limits.spreads)
        _at_most("argument values", counts.values, limits.values)

    def _extent(self, selection_set: SelectionSetNode, depth: int, hops: int) -> _Extent:
        """Return the extent of a selection set at this depth. `hops` counts fragments too, to bound the recursion."""
        limit = self.limits.depth
        if depth > limit or hops > limit + self.limits.fragments + self.limits.nesting:
            raise document_error(DOCUMENT_TOO_DEEP, f"The document is more than {limit} levels deep.")
        reach, fields = 0, 0
        for selection in selection_set.selections:
            match selection:
                case FieldNode(selection_set=None):
                    inner = _Extent(0, 0)
                case FieldNode(selection_set=SelectionSetNode() as nested):
                    inner = self._extent(nested, depth + 1, hops + 1)
                case FragmentSpreadNode():
                    inner = self._fragment_extent(selection, depth, hops)
                case InlineFragmentNode():
                    inner = self._extent(selection.selection_set, depth, hops + 1)
                case _:
                    inner = _Extent(0, 0)
            own = 1 if isinstance(selection, FieldNode) else 0
            reach = max(reach, own + inner.depth)
            fields += own + inner.fields
        if depth - 1 + reach > limit:
            raise document_error(DOCUMENT_TOO_DEEP, f"The document is more than {limit} levels deep.")
        return _Extent(reach, fields)

    def _fragment_extent(self, spread: FragmentSpreadNode, depth: int, hops: int) -> _Extent:
        name = spread.name.value
        if name in self._extents:
            return self._extents[name]
        fragment = self.fragments.get(name)
        if fragment is None:  # the validation rules report it, with its location
            return _Extent(0, 0)
        if name in self._entered:
            raise document_error(VALIDATION_FAILED, "A fragment spreads itself.", spread)
        self._entered.add(name)
        # Measured from depth 1, so that the extent is valid for every spread; the caller adds its own depth.
        extent = self._extent(fragment.selection_set, 1, hops + 1)
        self._entered.discard(name)
        self._extents[name] = extent
        return extent

    def _merges(self, selection_sets: list[SelectionSetNode]) -> int:
        """Return the number of pairs of selections with one response name, including nested selections."""
        pairs = 0
        for nodes in flatten(selection_sets, self.fragments).values():
            pairs += len(nodes) * (len(nodes) - 1) // 2
            nested = [node.selection_set for node in nodes if node.selection_set]
            if nested and pairs <= self.limits.merges:
                pairs += self._merges(nested)
        return pairs


def flatten(
    selection_sets: Iterable[SelectionSetNode], fragments: Mapping[str, FragmentDefinitionNode]
) -> dict[str, list[FieldNode]]:
    """Return the fields of selection sets merged into one, by response name, with each fragment expanded once."""
    fields: dict[str, list[FieldNode]] = {}
    visited: set[str] = set()
    waiting = [selection for selection_set in selection_sets for selection in selection_set.selections][::-1]
    while waiting:
        selection = waiting.pop()
        match selection:
            case FieldNode():
                fields.setdefault((selection.alias or selection.name).value, []).append(selection)
            case InlineFragmentNode():
                waiting.extend(reversed(selection.selection_set.selections))
            case FragmentSpreadNode():
                name = selection.name.value
                if name not in visited and name in fragments:
                    visited.add(name)
                    waiting.extend(reversed(fragments[name].selection_set.selections))
    return fields


def _count(selection_set: SelectionSetNode, counts: _Counts) -> None:
    waiting = [selection_set]
    while waiting:
        nested = waiting.pop()
        if not nested.selections:  # invalid, but some parsers accept it, with different meanings
            raise document_error(PARSE_FAILED, "A selection set selects at least one field.", nested)
        for selection in nested.selections:
            counts.directives += len(selection.directives or ())
            for directive in selection.directives or ():
                counts.values += sum(_count_values(argument.value) for argument in directive.arguments or ())
            match selection:
                case FieldNode():
                    counts.fields += 1
                    counts.aliases += selection.alias is not None
                    counts.values += sum(_count_values(argument.value) for argument in selection.arguments or ())
                    if selection.selection_set is not None:
                        waiting.append(selection.selection_set)
                case InlineFragmentNode():
                    counts.spreads += 1
                    waiting.append(selection.selection_set)
                case FragmentSpreadNode():
                    counts.spreads += 1


def _count_values(value: ValueNode | None) -> int:
    count = 0
    waiting = [value] if value is not None else []
    while waiting:
        node = waiting.pop()
        count += 1
        if isinstance(node, ListValueNode):
            waiting.extend(node.values)
        elif isinstance(node, ObjectValueNode):
            waiting.extend(item.value for item in node.fields)
    return count


def _at_most(what: str, count: int, limit: int) -> None:
    if count > limit:
        raise document_error(DOCUMENT_TOO_COMPLEX, f"The document has more than {limit} {what}.")
