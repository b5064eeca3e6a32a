"""Completing plain values (GraphQL September 2025, section 6.4.3) without awaiting anything.

Only what is right goes through here. For everything else `Unfit` is raised, or whatever the value itself raises; the
caller then has Tartiflette complete the value again, which finds the same mistake and says where it is.
"""

from collections.abc import Callable
from math import isfinite
from typing import Any

from tartiflette.types.enum import GraphQLEnumType
from tartiflette.types.scalar import GraphQLScalarType

from bank.api.scalars import SCALARS

Complete = Callable[[Any], Any]

_INT_MIN, _INT_MAX = -(2**31), 2**31 - 1

# Results of exactly this class are the answer as they are.
AS_IT_IS: dict[str, type] = {"String": str, "ID": str, "Boolean": bool, "AccountNumber": str, "CurrencyCode": str}


class Unfit(Exception):
    """The value is not plainly of its type."""


def complete_leaf(definition: Any) -> Complete | None:
    """Return the completion of a scalar or an enum, not null; None for a type that Tartiflette has to complete."""
    if isinstance(definition, GraphQLEnumType):
        return {member.value: member.value for member in definition.values}.__getitem__
    if not isinstance(definition, GraphQLScalarType):
        return None
    if definition.name in AS_IT_IS:
        return _exactly(AS_IT_IS[definition.name])
    if definition.name in SCALARS:
        return SCALARS[definition.name].serialise
    return {"Int": _complete_int, "Float": _complete_float}.get(definition.name)


def complete_wrapped(graphql_type: Any, inner: Complete) -> Complete:
    """Return the completion of a type around a named one, which `inner` completes where there is a value."""
    if graphql_type.is_non_null_type:
        return _non_null(graphql_type.wrapped_type, inner)
    complete = _value(graphql_type, inner)

    def nullable(value: Any) -> Any:
        return None if value is None else complete(value)

    return nullable


def _non_null(graphql_type: Any, inner: Complete) -> Complete:
    complete = _value(graphql_type, inner)

    def non_null(value: Any) -> Any:
        if value is None:
            raise Unfit
        return complete(value)

    return non_null


def _value(graphql_type: Any, inner: Complete) -> Complete:
    if not graphql_type.is_list_type:
        return inner
    complete_item = complete_wrapped(graphql_type.wrapped_type, inner)

    def listed(value: Any) -> Any:
        if value.__class__ is not list:
            raise Unfit
        return [complete_item(item) for item in value]

    return listed


def _exactly(expected: type) -> Complete:
    def complete(value: Any) -> Any:
        if value.__class__ is not expected:
            raise Unfit
        return value

    return complete


def _complete_int(value: Any) -> Any:
    if value.__class__ is not int or not _INT_MIN <= value <= _INT_MAX:
        raise Unfit
    return value


def _complete_float(value: Any) -> Any:
    if value.__class__ is not float or not isfinite(value):
        raise Unfit
    return value
