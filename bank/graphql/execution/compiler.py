"""Compilation of an operation: it separates the fields that are plain members from those with a resolver to await.

Tartiflette collects the selected fields again for every object of a response, and runs about ten coroutines for each
leaf. The compiler collects the fields once for each document. A selection without resolvers becomes one function.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tartiflette.language.ast import (
    FieldNode,
    FragmentSpreadNode,
    ListValueNode,
    ObjectValueNode,
    VariableNode,
)
from tartiflette.types.object import GraphQLObjectType

from bank.errors import BadInput
from bank.graphql.execution.coercion import ABSENT, copy_default, literal_value
from bank.graphql.execution.completion import (
    Completer,
    CompletionError,
    complete_leaf,
    complete_wrapped,
    passthrough_classes,
)
from bank.graphql.execution.schema_builder import resolve_member
from bank.graphql.scalars import ScalarCodecs

ArgumentsOf = Callable[[Mapping[str, Any]], dict[str, Any]]


class FieldNodes(list[Any]):
    """The field nodes of one response name, as a list for Tartiflette, with their compiled selection."""

    selection: "CompiledSelection | None" = None


@dataclass(slots=True)
class CompiledField:
    """One field of an object.

    `complete` completes the resolved value without awaiting, if that is possible. `resolve` is the resolver, None for a
    plain member. `arguments` makes the field's arguments from the variables; None if Tartiflette has to do it. A field
    with neither `complete` nor `resolve` is left to Tartiflette: introspection, interfaces.
    """

    key: str
    definition: Any
    nodes: FieldNodes
    complete: Completer | None = None
    resolve: Callable[..., Any] | None = None
    arguments: ArgumentsOf | None = None
    list_concurrently: bool = False
    coercer: Any = None  # made by the executor at the first use


@dataclass(slots=True)
class CompiledSelection:
    """The compiled fields for an object of one type. `template` has the response keys in order, and `__typename`."""

    object_type: Any
    template: dict[str, Any] = field(default_factory=dict)
    fields: list[CompiledField] = field(default_factory=list)

    def completer(self, passthrough: Mapping[str, type]) -> Completer | None:
        """Return the function that completes a parent object, or None if a field has to be awaited."""
        if any(compiled.complete is None or compiled.resolve is not None for compiled in self.fields):
            return None
        template = self.template
        members = [
            (compiled.key, compiled.definition.name, *_shortcut(compiled, passthrough)) for compiled in self.fields
        ]

        if not members:
            return partial(_complete_without_members, template)

        def complete(parent: Any) -> Any:
            answer = template.copy()
            for key, name, expected, complete_member in members:
                value = parent[name]
                if value.__class__ is expected:
                    answer[key] = value
                else:
                    answer[key] = complete_member(value)
            return answer

        return complete


def _complete_without_members(template: dict[str, Any], parent: Any) -> dict[str, Any]:
    if isinstance(parent, Exception):  # with members, the first look-up would raise
        raise CompletionError
    return template.copy()


def _shortcut(compiled: CompiledField, passthrough: Mapping[str, type]) -> tuple[type | None, Completer]:
    # Most members are strings that need no serialization, so that their call of a completer can be saved.
    graphql_type = compiled.definition.graphql_type
    named = graphql_type.wrapped_type if graphql_type.is_non_null_type else graphql_type
    assert compiled.complete is not None
    return passthrough.get(getattr(named, "name", "")), compiled.complete


class Compiler:
    """Compiles the operations of one schema."""

    def __init__(self, schema: Any, codecs: ScalarCodecs, concurrent_lists: frozenset[str] = frozenset()) -> None:
        self._schema = schema
        self._codecs = codecs
        self._passthrough = passthrough_classes(codecs)
        self._concurrent_lists = concurrent_lists

    async def compile(
        self,
        object_type: Any,
        selection_sets: Sequence[Any],
        fragments: Mapping[str, Any],
        variables: Mapping[str, Any],
    ) -> CompiledSelection:
        """Return merged selection sets on an object type, compiled.

        The result is valid for these fragments, and for all variables with which @skip and @include select the same
        fields. Raises BadInput if such a condition is null.
        """
        compiled_selection = CompiledSelection(object_type)
        for key, nodes in self._collect(object_type, selection_sets, fragments, variables).items():
            name = nodes[0].name.value
            if name == "__typename":
                compiled_selection.template[key] = object_type.name
                continue
            compiled_selection.template[key] = None
            compiled = CompiledField(key, object_type.find_field(name), nodes)
            await self._compile_field(compiled, object_type.name, fragments, variables)
            compiled_selection.fields.append(compiled)
        return compiled_selection

    async def _compile_field(
        self, compiled: CompiledField, parent: str, fragments: Mapping[str, Any], variables: Mapping[str, Any]
    ) -> None:
        definition, nodes = compiled.definition, compiled.nodes
        named = definition.graphql_type
        while named.is_wrapping_type:
            named = named.wrapped_type
        inner: Completer | None
        if isinstance(named, GraphQLObjectType) and not named.name.startswith("__"):
            selection_sets = [node.selection_set for node in nodes]
            nodes.selection = await self.compile(named, selection_sets, fragments, variables)
            inner = nodes.selection.completer(self._passthrough)
        else:
            inner = complete_leaf(named, self._codecs)
            if inner is None:
                return
        if inner is not None:
            compiled.complete = complete_wrapped(definition.graphql_type, inner)
        if inner is None or definition.raw_resolver is not None or definition.arguments:
            compiled.resolve = definition.raw_resolver or resolve_member
            compiled.arguments = await _compile_arguments(definition, nodes[0])
            compiled.list_concurrently = f"{parent}.{definition.name}" in self._concurrent_lists

    def _collect(
        self,
        object_type: Any,
        selection_sets: Sequence[Any],
        fragments: Mapping[str, Any],
        variables: Mapping[str, Any],
    ) -> dict[str, FieldNodes]:
        fields: dict[str, FieldNodes] = {}
        visited: set[str] = set()
        waiting = [selection for selection_set in selection_sets for selection in selection_set.selections][::-1]
        while waiting:
            selection = waiting.pop()
            if not _is_included(selection, variables):
                continue
            if isinstance(selection, FieldNode):
                fields.setdefault((selection.alias or selection.name).value, FieldNodes()).append(selection)
                continue
            fragment = selection
            if isinstance(selection, FragmentSpreadNode):
                name = selection.name.value
                if name in visited:
                    continue
                visited.add(name)
                fragment = fragments[name]
            if self._applies(fragment, object_type):
                waiting.extend(reversed(fragment.selection_set.selections))
        return fields

    def _applies(self, fragment: Any, object_type: Any) -> bool:
        if fragment.type_condition is None:
            return True
        condition = self._schema.find_type(fragment.type_condition.name.value)
        if condition is object_type:
            return True
        return bool(condition.is_abstract_type and condition.is_possible_type(object_type))


def condition_variables(definitions: Sequence[Any]) -> tuple[str, ...]:
    """Return the names of the variables in the conditions of @skip and @include in these definitions."""
    names: dict[str, None] = {}
    waiting = [definition.selection_set for definition in definitions]
    while waiting:
        for selection in waiting.pop().selections:
            for directive in selection.directives:
                value = directive.arguments[0].value
                if isinstance(value, VariableNode):
                    names[value.name.value] = None
            nested = None if isinstance(selection, FragmentSpreadNode) else selection.selection_set
            if nested is not None:
                waiting.append(nested)
    return tuple(names)


def _is_included(selection: Any, variables: Mapping[str, Any]) -> bool:
    for directive in selection.directives:
        node = directive.arguments[0].value
        condition = variables.get(node.name.value) if isinstance(node, VariableNode) else node.value
        if condition is None:
            raise BadInput(f"The condition of @{directive.name.value} must not be null.")
        if condition is (directive.name.value == "skip"):
            return False
    return True


async def _compile_arguments(definition: Any, node: Any) -> ArgumentsOf | None:
    """Return the function that builds a field's arguments; None if a literal is invalid or contains variables."""
    given = {argument.name.value: argument.value for argument in node.arguments}
    entries: list[tuple[str, str | None, Any, bool]] = []
    for name, argument in definition.arguments.items():
        value = given.get(name)
        default = ABSENT
        if argument.default_value is not None:
            default = await literal_value(argument.graphql_type, argument.definition, argument.default_value)
        required = argument.graphql_type.is_non_null_type
        if isinstance(value, VariableNode):
            entries.append((name, value.name.value, default, required))
            continue
        if value is not None:
            if _has_variables(value):
                return None
            default = await literal_value(argument.graphql_type, argument.definition, value)
            if default is ABSENT:
                return None
        entries.append((name, None, default, required))

    def arguments(variables: Mapping[str, Any]) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, variable, default, required in entries:
            if variable is not None and variable in variables:
                value = variables[variable]
                if value is None and required:
                    raise CompletionError
                values[name] = value
            elif default is not ABSENT:
                values[name] = copy_default(default)
            elif required:
                raise CompletionError
        return values

    return arguments


def _has_variables(value: Any) -> bool:
    waiting: list[Any] = [value]
    while waiting:
        node: Any = waiting.pop()
        if isinstance(node, VariableNode):
            return True
        if isinstance(node, ListValueNode):
            waiting.extend(node.values or ())
        elif isinstance(node, ObjectValueNode):
            waiting.extend(item.value for item in node.fields)
    return False
