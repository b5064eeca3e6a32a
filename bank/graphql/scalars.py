"""Custom scalars: one codec for each, used by the validator, which checks literals, and by the engine."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from graphql import GraphQLError, GraphQLSchema, StringValueNode, ValueNode
from graphql.type import GraphQLScalarType
from tartiflette import Scalar
from tartiflette.language.ast import StringValueNode as EngineStringValueNode


@dataclass(frozen=True, slots=True)
class ScalarCodec:
    """The two functions that parse a scalar from a string and serialize it to one.

    `parse` raises ValueError with a message for the client, which must not repeat the value. With `passthrough`, a
    resolved str is the serialized form already, so that `serialize` need not be called.
    """

    parse: Callable[[str], object]
    serialize: Callable[[object], str]
    passthrough: bool = False


ScalarCodecs = Mapping[str, ScalarCodec]


class LiteralError(GraphQLError):
    """A literal that a custom scalar refuses, with a message that is safe to show."""


class EngineScalar:
    """A custom scalar with the methods that Tartiflette requires."""

    def __init__(self, name: str, codec: ScalarCodec) -> None:
        self._name = name
        self._codec = codec

    def coerce_output(self, value: object) -> str:
        """Return the serialized form of a resolved value."""
        return self._codec.serialize(value)

    def coerce_input(self, value: object) -> object:
        """Return the value of a variable for resolvers."""
        return self._codec.parse(require_text(value, self._name))

    def parse_literal(self, node: object) -> object:
        """Return the value of a literal for resolvers. The validator has refused malformed literals."""
        if not isinstance(node, EngineStringValueNode):
            raise TypeError(f"{self._name} is given as a string.")
        return self._codec.parse(node.value)


def register_scalars(schema_name: str, names: Iterable[str], codecs: ScalarCodecs) -> None:
    """Register the scalars that a Tartiflette schema has, before it is built."""
    for name in codecs.keys() & set(names):
        Scalar(name, schema_name=schema_name)(EngineScalar(name, codecs[name]))


def attach_scalars(schema: GraphQLSchema, codecs: ScalarCodecs) -> None:
    """Make a graphql-core schema refuse malformed literals, with messages that do not repeat them."""
    for name, codec in codecs.items():
        scalar = schema.type_map.get(name)
        if isinstance(scalar, GraphQLScalarType):
            _attach(scalar, codec)


def _attach(scalar: GraphQLScalarType, codec: ScalarCodec) -> None:
    def parse_value(value: object) -> object:
        return codec.parse(require_text(value, scalar.name))

    def parse_literal(node: ValueNode, _variables: object = None) -> object:
        if not isinstance(node, StringValueNode):
            raise LiteralError(f"{scalar.name} is given as a string.", node)
        try:
            return codec.parse(node.value)
        except ValueError as refusal:
            raise LiteralError(str(refusal), node) from None

    # graphql-core documents this replacement of methods for scalars made from SDL; mypy cannot check it. The last two
    # are the names of the first two since version 3.3.
    scalar.__dict__.update(
        parse_value=parse_value,
        serialize=codec.serialize,
        parse_literal=parse_literal,
        coerce_input_value=parse_value,
        coerce_output_value=codec.serialize,
    )


def require_text(value: object, name: str) -> str:
    """Return a value that is a str. Raises TypeError, with the name of the scalar, for any other value."""
    if not isinstance(value, str):
        raise TypeError(f"{name} is given as a string.")
    return value
