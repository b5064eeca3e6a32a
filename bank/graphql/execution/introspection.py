"""The introspection types of GraphQL September 2025, section 4.

Tartiflette's own definitions are from 2018. These replace them, so that the introspected schema is exactly the served
SDL.
"""

from typing import Any

from tartiflette.types.enum import GraphQLEnumType
from tartiflette.types.input_object import GraphQLInputObjectType
from tartiflette.types.interface import GraphQLInterfaceType
from tartiflette.types.object import GraphQLObjectType
from tartiflette.types.scalar import GraphQLScalarType

INTROSPECTION_SDL = """
type __Schema {
  description: String
  types: [__Type!]!
  queryType: __Type!
  mutationType: __Type
  subscriptionType: __Type
  directives: [__Directive!]!
}

type __Type {
  kind: __TypeKind!
  name: String
  description: String
  specifiedByURL: String
  fields(includeDeprecated: Boolean = false): [__Field!]
  interfaces: [__Type!]
  possibleTypes: [__Type!]
  enumValues(includeDeprecated: Boolean = false): [__EnumValue!]
  inputFields(includeDeprecated: Boolean = false): [__InputValue!]
  ofType: __Type
  isOneOf: Boolean
}

enum __TypeKind { SCALAR OBJECT INTERFACE UNION ENUM INPUT_OBJECT LIST NON_NULL }

type __Field {
  name: String!
  description: String
  args(includeDeprecated: Boolean = false): [__InputValue!]!
  type: __Type!
  isDeprecated: Boolean!
  deprecationReason: String
}

type __InputValue {
  name: String!
  description: String
  type: __Type!
  defaultValue: String
  isDeprecated: Boolean!
  deprecationReason: String
}

type __EnumValue {
  name: String!
  description: String
  isDeprecated: Boolean!
  deprecationReason: String
}

type __Directive {
  name: String!
  description: String
  isRepeatable: Boolean!
  locations: [__DirectiveLocation!]!
  args(includeDeprecated: Boolean = false): [__InputValue!]!
}

enum __DirectiveLocation {
  QUERY MUTATION SUBSCRIPTION FIELD FRAGMENT_DEFINITION FRAGMENT_SPREAD INLINE_FRAGMENT VARIABLE_DEFINITION
  SCHEMA SCALAR OBJECT FIELD_DEFINITION ARGUMENT_DEFINITION INTERFACE UNION ENUM ENUM_VALUE INPUT_OBJECT
  INPUT_FIELD_DEFINITION
}
"""

Arguments = dict[str, Any]


async def _fields(parent: Any, arguments: Arguments, _context: object, _info: object) -> list[Any] | None:
    if not isinstance(parent, GraphQLObjectType | GraphQLInterfaceType):
        return None
    return _unless_deprecated(parent.fields, arguments)


async def _enum_values(parent: Any, arguments: Arguments, _context: object, _info: object) -> list[Any] | None:
    return _unless_deprecated(parent.enumValues, arguments) if isinstance(parent, GraphQLEnumType) else None


async def _input_fields(parent: Any, arguments: Arguments, _context: object, _info: object) -> list[Any] | None:
    return _unless_deprecated(parent.inputFields, arguments) if isinstance(parent, GraphQLInputObjectType) else None


async def _args(parent: Any, arguments: Arguments, _context: object, _info: object) -> list[Any]:
    return _unless_deprecated(parent.args, arguments)


async def _specified_by_url(parent: Any, _arguments: Arguments, _context: object, _info: object) -> str | None:
    for directive in parent.directives or () if isinstance(parent, GraphQLScalarType) else ():
        if directive.name.value == "specifiedBy":
            return str(directive.arguments[0].value.value)
    return None


async def _is_one_of(parent: Any, _arguments: Arguments, _context: object, _info: object) -> bool | None:
    # Tartiflette cannot enforce @oneOf, so that no input object of the schema has it.
    return False if isinstance(parent, GraphQLInputObjectType) else None


async def _never(_parent: Any, _arguments: Arguments, _context: object, _info: object) -> bool:
    return False


async def _none(_parent: Any, _arguments: Arguments, _context: object, _info: object) -> None:
    return None


def _unless_deprecated(elements: list[Any], arguments: Arguments) -> list[Any]:
    if arguments.get("includeDeprecated"):
        return list(elements)
    return [element for element in elements if not getattr(element, "isDeprecated", False)]


INTROSPECTION_RESOLVERS = {
    "__Schema.description": _none,
    "__Type.fields": _fields,
    "__Type.enumValues": _enum_values,
    "__Type.inputFields": _input_fields,
    "__Type.specifiedByURL": _specified_by_url,
    "__Type.isOneOf": _is_one_of,
    "__Field.args": _args,
    "__Directive.args": _args,
    "__Directive.isRepeatable": _never,
    "__InputValue.isDeprecated": _never,
    "__InputValue.deprecationReason": _none,
}
