"""Completion of plain values (GraphQL September 2025, section 6.4.3), without awaiting.

Only valid values are completed here. For any other value, `CompletionError` or an error of the value itself is raised.
Then the caller lets Tartiflette complete the value again, which finds the same error and reports its path.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any

from tartiflette.types.enum import GraphQLEnumType
from tartiflette.types.scalar import GraphQLScalarType

from bank.graphql.scalars import ScalarCodecs

Completer = Callable[[Any], Any]

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1

# Values of exactly this class are their own serialized form.
_BUILT_IN_PASSTHROUGH: dict[str, type] = {"String": str, "ID": str, "Boolean": bool}


class CompletionError(Exception):
    """The value may be invalid for its type."""


def passthrough_classes(codecs: ScalarCodecs) -> dict[str, type]:
    """Return, by the name of a scalar, the class whose values are their own serialized form."""
    return _BUILT_IN_PASSTHROUGH | {name: str for name, codec in codecs.items() if codec.passthrough}


def complete_leaf(definition: Any, codecs: ScalarCodecs) -> Completer | None:
    """Return the completer of a non-null scalar or enum; None for a type that Tartiflette has to complete."""
    if isinstance(definition, GraphQLEnumType):
        return {member.value: member.value for member in definition.values}.__getitem__
    if not isinstance(definition, GraphQLScalarType):
        return None
    if (expected := passthrough_classes(codecs).get(definition.name)) is not None:
        return _exactly(expected)
    if definition.name in codecs:
        return codecs[definition.name].serialize
    return {"Int": _complete_int, "Float": _complete_float}.get(definition.name)


def complete_wrapped(graphql_type: Any, inner: Completer) -> Completer:
    """Return the completer of a type that wraps a named type. `inner` completes non-null values of the named type."""
    if graphql_type.is_non_null_type:
        return _non_null(graphql_type.wrapped_type, inner)
    complete = _value(graphql_type, inner)

    def nullable(value: Any) -> Any:
        return None if value is None else complete(value)

    return nullable


def _non_null(graphql_type: Any, inner: Completer) -> Completer:
    complete = _value(graphql_type, inner)

    def non_null(value: Any) -> Any:
        if value is None:
            raise CompletionError
        return complete(value)

    return non_null


def _value(graphql_type: Any, inner: Completer) -> Completer:
    if not graphql_type.is_list_type:
        return inner
    complete_item = complete_wrapped(graphql_type.wrapped_type, inner)

    def listed(value: Any) -> Any:
        if value.__class__ is not list:
            raise CompletionError
        return [complete_item(item) for item in value]

    return listed


def _exactly(expected: type) -> Completer:
    def complete(value: Any) -> Any:
        if value.__class__ is not expected:
            raise CompletionError
        return value

    return complete


def _complete_int(value: Any) -> Any:
    if value.__class__ is not int or not _INT_MIN <= value <= _INT_MAX:
        raise CompletionError
    return value


def _complete_float(value: Any) -> Any:
    if value.__class__ is not float or not isfinite(value):
        raise CompletionError
    return value
