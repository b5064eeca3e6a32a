"""Coercion of the variables of a request (GraphQL September 2025, section 6.1.2).

It replaces Tartiflette's own coercion, whose messages repeat the values, and which starts a task for every input field.
The coerced values are the same. The first invalid value ends the coercion. The message has the path of the value and,
for an unknown name, the closest name of the schema. Names from clients are shown only if they are GraphQL names.
"""

from collections.abc import Callable, Collection, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from tartiflette.coercers.literals.compute import get_literal_coercer
from tartiflette.constants import UNDEFINED_VALUE
from tartiflette.types.enum import GraphQLEnumType
from tartiflette.types.input_object import GraphQLInputObjectType
from tartiflette.types.scalar import GraphQLScalarType
from tartiflette.utils.type_from_ast import schema_type_from_ast

from bank.errors import BadInput
from bank.graphql.scalars import ScalarCodecs
from bank.graphql.suggestions import closest_name, printable_name, suggestion, with_suggestion
from bank.graphql.validation.normalization import holds_control_characters

Coerce = Callable[[Any], Any]

# Marks a missing value where None is a value.
ABSENT = object()
_TEXT_SCALARS = frozenset({"String", "ID"})


class _InvalidValueError(Exception):
    """A value cannot be coerced. `path` is the path to it in reverse order, collected while the error is raised."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []


@dataclass(frozen=True, slots=True)
class Variable:
    """A variable of an operation with its coercion. `node` is its definition in the document."""

    name: str
    type_name: str
    coerce: Coerce
    required: bool
    default: Any
    node: Any

    def value(self, given: Any) -> Any:
        """Return the coerced value. Raises BadInput with the path of an invalid value and the reason."""
        try:
            return self.coerce(given)
        except _InvalidValueError as error:
            path = "".join(reversed(error.path))
            raise BadInput(f"Variable ${self.name}{path} {error.reason}") from None
        except RecursionError:
            raise BadInput(f"Variable ${self.name} is nested too deeply.") from None


class VariableError(Exception):
    """A variable cannot be coerced; `error` is the error for the client."""

    def __init__(self, error: BadInput, variable: Variable) -> None:
        super().__init__(error.message)
        self.error = error
        self.variable = variable


def coerce_variables(variables: tuple[Variable, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the coerced values. Raises VariableError for the first variable that is missing or invalid."""
    values: dict[str, Any] = {}
    for variable in variables:
        raw = given.get(variable.name, ABSENT)
        try:
            if raw is not ABSENT:
                values[variable.name] = variable.value(raw)
            elif variable.default is not ABSENT:
                values[variable.name] = copy_default(variable.default)
            elif variable.required:
                raise BadInput(_not_provided(variable, variables, given))  # noqa: TRY301 - one way out of the loop
        except BadInput as error:
            raise VariableError(error, variable) from None
    return values


def _not_provided(variable: Variable, declared: tuple[Variable, ...], given: Mapping[str, Any]) -> str:
    sentence = f"Variable ${variable.name} was not provided; its type is {variable.type_name}."
    undeclared = given.keys() - {other.name for other in declared}
    mistyped = closest_name(variable.name, filter(printable_name, undeclared))
    if mistyped is None and len(undeclared) == 1:
        mistyped = printable_name(*undeclared)
    return f"{sentence} The operation declares no variable ${mistyped}." if mistyped else sentence


class InputTypes:
    """The input types of a schema, each with its coercion. Made by `read`."""

    def __init__(self, schema: Any, codecs: ScalarCodecs) -> None:
        self._schema = schema
        self._codecs = codecs
        self._coercions: dict[str, Coerce] = {}
        self._defaults: dict[tuple[str, str], Any] = {}

    @classmethod
    async def read(cls, schema: Any, codecs: ScalarCodecs) -> "InputTypes":
        """Return the input types of a built Tartiflette schema; the custom scalars in it are those of `codecs`."""
        types = cls(schema, codecs)
        for type_name, definition in schema.type_definitions.items():
            if isinstance(definition, GraphQLInputObjectType):
                for name, field in definition.input_fields.items():
                    if field.default_value is not None:
                        types._defaults[type_name, name] = await literal_value(
                            field.graphql_type, None, field.default_value
                        )
        return types

    async def variable(self, node: Any) -> Variable:
        """Return the variable that a VariableDefinitionNode defines."""
        graphql_type: Any = schema_type_from_ast(self._schema, node.type)
        default = ABSENT
        if node.default_value is not None:
            default = await literal_value(graphql_type, node, node.default_value)
        coerce = self.coercion(graphql_type)
        return Variable(
            node.variable.name.value, str(graphql_type), coerce, graphql_type.is_non_null_type, default, node
        )

    def coercion(self, graphql_type: Any) -> Coerce:
        """Return the coercion to an input type, made once for each."""
        name = str(graphql_type)
        if name not in self._coercions:

            def deferred(value: Any) -> Any:
                return self._coercions[name](value)

            self._coercions[name] = deferred  # for types that contain themselves: the coercion is looked up at the call
            self._coercions[name] = self._build(graphql_type)
        return self._coercions[name]

    def _build(self, graphql_type: Any) -> Coerce:
        if graphql_type.is_non_null_type:
            return _non_null(self.coercion(graphql_type.wrapped_type), str(graphql_type))
        if graphql_type.is_list_type:
            return _list_of(self.coercion(graphql_type.wrapped_type))
        if isinstance(graphql_type, GraphQLScalarType):
            return _scalar(graphql_type, shows_reason=graphql_type.name in self._codecs)
        if isinstance(graphql_type, GraphQLEnumType):
            return _enum(graphql_type)
        return self._object(graphql_type)

    def _object(self, definition: GraphQLInputObjectType) -> Coerce:
        fields = [
            (name, self.coercion(field.graphql_type), str(field.graphql_type), field.graphql_type.is_non_null_type,
             self._defaults.get((definition.name, name), ABSENT))
            for name, field in definition.input_fields.items()
        ]  # fmt: skip
        known = definition.input_fields.keys()

        def coerce(value: Any) -> Any:
            if value is None:
                return None
            if not isinstance(value, dict):
                raise _InvalidValueError(f"is not an object of type {definition.name}.")
            if not known >= value.keys():
                raise _InvalidValueError(_unknown_field(definition.name, known, value))
            values: dict[str, Any] = {}
            for name, inner, type_name, required, default in fields:
                if name in value:
                    try:
                        values[name] = inner(value[name])
                    except _InvalidValueError as error:
                        error.path.append(f".{name}")
                        raise
                elif default is not ABSENT:
                    values[name] = copy_default(default)
                elif required:
                    missing = _InvalidValueError(f"was not provided; its type is {type_name}.")
                    missing.path.append(f".{name}")
                    raise missing
            return values

        return coerce


def _unknown_field(type_name: str, known: Collection[str], value: Mapping[str, Any]) -> str:
    unknown = [printable_name(name) for name in value if name not in known]
    name = next(filter(None, unknown), None)
    sentence = f"has a field {name}, which" if name else "has a field that"
    return with_suggestion(f"{sentence} {type_name} does not have.", suggestion(name, known, "its fields are"))


def _non_null(inner: Coerce, type_name: str) -> Coerce:
    def coerce(value: Any) -> Any:
        if value is None:
            raise _InvalidValueError(f"must not be null; its type is {type_name}.")
        return inner(value)

    return coerce


def _list_of(inner: Coerce) -> Coerce:
    def coerce(value: Any) -> Any:
        if value is None:
            return None
        if not isinstance(value, list):
            return [inner(value)]  # the specification coerces a single value to a list of one item
        values = []
        for index, item in enumerate(value):
            try:
                values.append(inner(item))
            except _InvalidValueError as error:
                error.path.append(f"[{index}]")
                raise
        return values

    return coerce


def _scalar(definition: GraphQLScalarType, *, shows_reason: bool) -> Coerce:
    name = definition.name
    coerce_input: Any = definition.coerce_input
    is_text = name in _TEXT_SCALARS

    def coerce(value: Any) -> Any:
        if value is None:
            return None
        try:
            coerced = coerce_input(value)
        except Exception as error:  # noqa: BLE001 - any error of a scalar means that the value is invalid
            if shows_reason:
                raise _InvalidValueError(f"is not accepted: {error}") from None
            coerced = UNDEFINED_VALUE
        if coerced is UNDEFINED_VALUE or (name == "Float" and coerced != value):
            raise _InvalidValueError(_invalid_scalar(name, value))
        if is_text and holds_control_characters(coerced):
            raise _InvalidValueError(f"holds a control character, which a {name} must not have.")
        return coerced

    return coerce


def _invalid_scalar(type_name: str, value: Any) -> str:
    """Return the reason why a value is invalid for a built-in scalar."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        if type_name == "Float":
            return "is a number that a Float does not hold exactly."
        if type_name == "Int":
            whole = isinstance(value, int) or value.is_integer()
            return "is out of range for an Int, which has 32 bits." if whole else "is not a whole number, as an Int is."
    return f"is not of type {type_name}."


def _enum(definition: GraphQLEnumType) -> Coerce:
    members = tuple(sorted(member.value for member in definition.values))

    def coerce(value: Any) -> Any:
        if value is None or (isinstance(value, str) and value in members):
            return value
        known = suggestion(value if isinstance(value, str) else None, members, "its values are")
        raise _InvalidValueError(with_suggestion(f"is not a value of {definition.name}.", known))

    return coerce


async def literal_value(graphql_type: Any, parent: Any, node: Any) -> Any:
    """Return the value of a literal without variables, as Tartiflette coerces it; ABSENT if it is not of the type."""
    value, errors = await get_literal_coercer(graphql_type)(parent, node, None)
    return ABSENT if errors or value is UNDEFINED_VALUE else value


def copy_default(default: Any) -> Any:
    """Return a copy of a default value for one request, because a resolver may change its arguments."""
    return deepcopy(default) if isinstance(default, list | dict) else default
