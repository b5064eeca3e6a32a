"""Suggestions for unknown names in an invalid document: the closest known name, or all known names.

graphql-core's own suggestions are disabled, because they take unbounded time, change from version to version, and
repeat values. The suggestions here are made for the nodes of its errors.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from graphql import (
    ArgumentNode,
    DirectiveLocation,
    DirectiveNode,
    DocumentNode,
    EnumValueNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLSchema,
    NamedTypeNode,
    Node,
    ObjectFieldNode,
    OperationDefinitionNode,
    StringValueNode,
    TypeInfo,
    TypeInfoVisitor,
    VariableDefinitionNode,
    VariableNode,
    Visitor,
    get_named_type,
    is_composite_type,
    is_input_type,
    visit,
)

from bank.graphql.suggestions import printable_name, suggestion

_EXECUTABLE = frozenset({DirectiveLocation.QUERY, DirectiveLocation.MUTATION, DirectiveLocation.FIELD})


@dataclass(frozen=True, slots=True)
class _Known:
    """The names that are valid in the place of an unknown one, and the words before a list of them."""

    names: tuple[str, ...]
    called: str


def suggestions_for(schema: GraphQLSchema, document: DocumentNode, nodes: Sequence[Node]) -> dict[int, str]:
    """Return a suggestion for each of the nodes with an unknown name, by the `id` of the node.

    A suggestion is a clause for the end of a sentence. It contains no value of the client, only names of the schema.
    """
    type_info = TypeInfo(schema)
    finder = _Finder(schema, document, type_info, nodes)
    visit(document, TypeInfoVisitor(type_info, finder))
    return {key: clause for key, (name, known) in finder.found.items() if (clause := _clause(name, known))}


def _clause(name: str, known: _Known) -> str:
    shown = name if printable_name(name.removeprefix("$")) else None
    return "" if name in known.names else suggestion(shown, known.names, known.called)


class _Finder(Visitor):
    """A visitor that finds the valid names for some nodes in one traversal. TypeInfo is updated before each visit."""

    def __init__(
        self, schema: GraphQLSchema, document: DocumentNode, type_info: TypeInfo, nodes: Sequence[Node]
    ) -> None:
        super().__init__()
        self._schema = schema
        self._document = document
        self._type_info = type_info
        self._wanted = {id(node) for node in nodes}
        self.found: dict[int, tuple[str, _Known]] = {}

    def enter(self, node: Node, _key: Any, parent: Any, _path: Any, ancestors: list[Any]) -> None:
        """Add the valid names in the place of a node that is wanted."""
        key = id(node.name) if isinstance(node, FragmentSpreadNode) else id(node)
        if key in self._wanted and (found := self._known_names(node, [*ancestors, parent])):
            self.found[key] = found

    def _known_names(self, node: Node, ancestors: list[Any]) -> tuple[str, _Known] | None:
        match node:
            case FieldNode():
                return node.name.value, _Known(self._fields(), "its fields are")
            case ArgumentNode():
                owner = self._type_info.get_directive() or self._type_info.get_field_def()
                return node.name.value, _Known(tuple(owner.args) if owner else (), "its arguments are")
            case ObjectFieldNode():
                parent = get_named_type(self._type_info.get_parent_input_type())
                fields = tuple(parent.fields) if isinstance(parent, GraphQLInputObjectType) else ()
                return node.name.value, _Known(fields, "its fields are")
            case EnumValueNode() | StringValueNode():
                enum = get_named_type(self._type_info.get_input_type())
                names = tuple(enum.values) if isinstance(enum, GraphQLEnumType) else ()
                return node.value, _Known(names, "its values are")
            case NamedTypeNode():
                of_variable = any(isinstance(ancestor, VariableDefinitionNode) for ancestor in ancestors)
                return node.name.value, _Known(self._types(of_variable=of_variable), "there are")
            case DirectiveNode():
                directives = self._schema.directives
                names = tuple(known.name for known in directives if not _EXECUTABLE.isdisjoint(known.locations))
                return node.name.value, _Known(names, "there are")
            case FragmentSpreadNode():
                fragments = [node for node in self._document.definitions if isinstance(node, FragmentDefinitionNode)]
                return node.name.value, _Known(tuple(known.name.value for known in fragments), "there are")
            case VariableNode():
                return f"${node.name.value}", _Known(self._variables(), "there are")
            case _:
                return None

    def _variables(self) -> tuple[str, ...]:
        operations = (node for node in self._document.definitions if isinstance(node, OperationDefinitionNode))
        variables = (variable for operation in operations for variable in operation.variable_definitions or ())
        return tuple(f"${variable.variable.name.value}" for variable in variables)

    def _fields(self) -> tuple[str, ...]:
        parent = self._type_info.get_parent_type()
        if parent is None:
            return ()
        meta = ("__typename", "__schema", "__type") if parent is self._schema.query_type else ("__typename",)
        fields = tuple(parent.fields) if isinstance(parent, GraphQLObjectType | GraphQLInterfaceType) else ()
        return (*fields, *meta)

    def _types(self, *, of_variable: bool) -> tuple[str, ...]:
        fits = is_input_type if of_variable else is_composite_type
        types = self._schema.type_map.items()
        return tuple(sorted(name for name, type_ in types if fits(type_) and not name.startswith("__")))
