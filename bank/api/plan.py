"""What an operation asks for, worked out once: which fields are plain members, and which have a resolver to be awaited.

Tartiflette finds out anew for every object of every answer which fields are selected, and takes about ten coroutines to
each leaf. A plan finds it out once for each document; whatever is plain all the way down becomes one function.
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

from bank.api.bake import resolve_member
from bank.api.completion import AS_IT_IS, Complete, Unfit, complete_leaf, complete_wrapped
from bank.api.variables import ABSENT, fresh, literal_value
from bank.errors import BadInput

Arguments = Callable[[Mapping[str, Any]], dict[str, Any]]


class Nodes(list[Any]):
    """The field nodes of one response name, as Tartiflette passes them along, with the plan for what they select."""

    plan: "Plan | None" = None


@dataclass(slots=True)
class Step:
    """One field of an object.

    `complete`, where there is one, makes the answer of the resolved value without awaiting anything. `resolve` is the
    resolver, None for a plain member that needs no awaiting. `arguments` makes its arguments of the variables; None
    where Tartiflette has to. With neither `complete` nor `resolve` all is Tartiflette's: introspection, interfaces.
    """

    key: str
    definition: Any
    nodes: Nodes
    complete: Complete | None = None
    resolve: Callable[..., Any] | None = None
    arguments: Arguments | None = None
    list_concurrently: bool = False
    coercer: Any = None  # made at the first use, by what runs the plan


@dataclass(slots=True)
class Plan:
    """The steps for an object of one type. `template` has the keys of the answer in their order, and `__typename`."""

    object_type: Any
    template: dict[str, Any] = field(default_factory=dict)
    steps: list[Step] = field(default_factory=list)

    def complete(self) -> Complete | None:
        """Return the function that makes the answer of a parent, or None where a field has to be awaited."""
        if any(step.complete is None or step.resolve is not None for step in self.steps):
            return None
        template = self.template
        members = [(step.key, step.definition.name, *_shortcut(step)) for step in self.steps]

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
    if isinstance(parent, Exception):  # with members, it would show itself when asked for one
        raise Unfit
    return template.copy()


def _shortcut(step: Step) -> tuple[type | None, Complete]:
    # Most members are strings, and the answer as they are: the call is worth saving.
    graphql_type = step.definition.graphql_type
    named = graphql_type.wrapped_type if graphql_type.is_non_null_type else graphql_type
    assert step.complete is not None
    return AS_IT_IS.get(getattr(named, "name", "")), step.complete


class Planner:
    """Makes the plans of one schema."""

    def __init__(self, schema: Any, concurrent_lists: frozenset[str] = frozenset()) -> None:
        self._schema = schema
        self._concurrent_lists = concurrent_lists

    async def plan(
        self,
        object_type: Any,
        selection_sets: Sequence[Any],
        fragments: Mapping[str, Any],
        variables: Mapping[str, Any],
    ) -> Plan:
        """Return the plan for merged selection sets on an object type.

        It holds for these fragments, and for all variables with which the @skip and @include in them decide the same.
        Raises BadInput where such a condition is null.
        """
        plan = Plan(object_type)
        for key, nodes in self._collect(object_type, selection_sets, fragments, variables).items():
            name = nodes[0].name.value
            if name == "__typename":
                plan.template[key] = object_type.name
                continue
            plan.template[key] = None
            step = Step(key, object_type.find_field(name), nodes)
            await self._step(step, object_type.name, fragments, variables)
            plan.steps.append(step)
        return plan

    async def _step(self, step: Step, parent: str, fragments: Mapping[str, Any], variables: Mapping[str, Any]) -> None:
        definition, nodes = step.definition, step.nodes
        named = definition.graphql_type
        while named.is_wrapping_type:
            named = named.wrapped_type
        inner: Complete | None
        if isinstance(named, GraphQLObjectType) and not named.name.startswith("__"):
            selection_sets = [node.selection_set for node in nodes]
            nodes.plan = await self.plan(named, selection_sets, fragments, variables)
            inner = nodes.plan.complete()
        else:
            inner = complete_leaf(named)
            if inner is None:
                return
        if inner is not None:
            step.complete = complete_wrapped(definition.graphql_type, inner)
        if inner is None or definition.raw_resolver is not None or definition.arguments:
            step.resolve = definition.raw_resolver or resolve_member
            step.arguments = await _plan_arguments(definition, nodes[0])
            step.list_concurrently = f"{parent}.{definition.name}" in self._concurrent_lists

    def _collect(
        self,
        object_type: Any,
        selection_sets: Sequence[Any],
        fragments: Mapping[str, Any],
        variables: Mapping[str, Any],
    ) -> dict[str, Nodes]:
        fields: dict[str, Nodes] = {}
        visited: set[str] = set()
        waiting = [selection for selection_set in selection_sets for selection in selection_set.selections][::-1]
        while waiting:
            selection = waiting.pop()
            if not _is_included(selection, variables):
                continue
            if isinstance(selection, FieldNode):
                fields.setdefault((selection.alias or selection.name).value, Nodes()).append(selection)
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
    """Return the names of the variables that decide what is selected in these definitions."""
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


async def _plan_arguments(definition: Any, node: Any) -> Arguments | None:
    """Return what makes a field's arguments, or None where a literal has variables inside or does not fit."""
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
                    raise Unfit
                values[name] = value
            elif default is not ABSENT:
                values[name] = fresh(default)
            elif required:
                raise Unfit
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
