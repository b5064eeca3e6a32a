"""Building of a Tartiflette engine: registered resolvers and scalars, omitted built-ins, sequential execution."""

from collections.abc import Awaitable, Callable, Coroutine, Mapping
from itertools import count
from typing import Any, ClassVar

import msgspec
from graphql import build_schema
from tartiflette import Directive, Engine, Resolver
from tartiflette.schema.registry import SchemaRegistry
from tartiflette.types.object import GraphQLObjectType

from bank.graphql.execution.introspection import INTROSPECTION_RESOLVERS, INTROSPECTION_SDL
from bank.graphql.scalars import ScalarCodecs, register_scalars

ResolverFunction = Callable[[Any, dict[str, Any], Any, Any], Awaitable[Any]]
ErrorCoercer = Callable[[Exception, dict[str, Any]], Awaitable[dict[str, Any]]]

_ENGINE_SDL = INTROSPECTION_SDL + (
    '"Says where a scalar is specified."\n'
    'directive @specifiedBy("The address of the specification." url: String!) on SCALAR\n'
)

# Tartiflette adds these, and @nonIntrospectable, to every schema. They are omitted, or replaced by the schema's own.
_BUILT_IN_SCALARS = frozenset({"Date", "Time", "DateTime"})

_SDL_DIRECTIVES = frozenset({"deprecated", "specifiedBy"})

_numbers = count(1)


class _OmittedBuiltIn:
    """A replacement for a built-in of Tartiflette in the registry, so that it is not added to the schema."""

    def __init__(self, name: str) -> None:
        self.name = name

    def bake(self, _schema: object) -> None:
        """Do nothing."""


class _SpecifiedBy:
    """The implementation of a directive that only introspection uses."""


class DocumentCache:
    """An LRU cache of parsed documents, in front of `parse`.

    It is bounded by the characters of the texts. With its compiled selections, a document takes two hundred times the
    memory of its text.
    """

    # Not cachetools.LRUCache: it measures values, not keys, and refuses a document that is larger than the cache.
    CHARACTERS_MAX: ClassVar[int] = 128 * 1024  # 32 MiB; or 250 documents of the size that clients send
    # A short document counts as this many characters, because every document has a fixed cost.
    CHARACTERS_MIN: ClassVar[int] = 256

    def __init__(self, parse: Callable[[str, Any], Any]) -> None:
        self._parse = parse
        self._documents: dict[str, Any] = {}
        self._characters = 0

    def __call__(self, text: str, schema: Any) -> Any:
        """Return what `parse` returns for the text."""
        parsed = self._documents.pop(text, None)
        if parsed is None:
            parsed = self._parse(text, schema)
            self._characters += max(len(text), self.CHARACTERS_MIN)
        self._documents[text] = parsed
        while self._characters > self.CHARACTERS_MAX and len(self._documents) > 1:
            oldest = next(iter(self._documents))
            del self._documents[oldest]
            self._characters -= max(len(oldest), self.CHARACTERS_MIN)
        return parsed


async def resolve_member(parent: Any, _arguments: dict[str, Any], _context: object, info: Any) -> Any:
    """Return `parent[field]`: resolvers return mappings with the schema's own field names.

    A missing key is a bug, not a null; it raises KeyError. Parents in introspection are Tartiflette's objects.
    """
    if info.is_introspection:
        # Named types are mappings that have only the keys they need.
        return parent.get(info.field_name) if isinstance(parent, dict) else getattr(parent, info.field_name, None)
    return parent[info.field_name]


async def build_engine(
    sdl: str,
    schema_name: str,
    *,
    resolvers: Mapping[str, ResolverFunction],
    error_coercer: ErrorCoercer,
    codecs: ScalarCodecs,
) -> Engine:
    """Return a Tartiflette engine for the SDL, with the resolvers registered under `schema_name` and those given.

    `codecs` are the custom scalars. Raises TypeError if the SDL is not valid, and LookupError if a field of Query,
    Mutation or Subscription has no resolver or a directive has no implementation: requests could only fail.
    """
    # Tartiflette builds a schema with an unknown directive or type, and then fails every request.
    names = build_schema(sdl).type_map
    own_name = f"{schema_name}#{next(_numbers)}"
    _copy_registry(schema_name, own_name, _BUILT_IN_SCALARS - names.keys())
    register_scalars(own_name, names, codecs)
    for field, function in resolvers.items():
        Resolver(field, schema_name=own_name)(function)
    engine = Engine(
        sdl + _ENGINE_SDL,
        schema_name=own_name,
        error_coercer=error_coercer,
        custom_default_resolver=resolve_member,
        custom_default_arguments_coercer=_coerce_sequentially,
        query_cache_decorator=DocumentCache,
        json_loader=msgspec.json.decode,
        coerce_list_concurrently=False,
        coerce_parent_concurrently=False,
    )
    try:
        await engine.cook()
    finally:
        SchemaRegistry._schemas.pop(own_name, None)  # noqa: SLF001 - there is no public way to remove one schema
    schema = schema_of(engine)
    _require_resolvers(schema)
    _require_known_directives(schema)
    _resolve_sequentially(schema)
    schema.find_scalar("String").coerce_output = _text_only
    return engine


def schema_of(engine: Engine) -> Any:
    """Return the GraphQLSchema of a cooked engine."""
    return engine._schema  # noqa: SLF001 - there is no public way to read it


def resolved_fields_of(schema: Any) -> frozenset[str]:
    """Return the coordinates of all fields that do more than return a member of their parent."""
    roots = {schema.query_operation_name, schema.mutation_operation_name, schema.subscription_operation_name}
    return frozenset(
        f"{definition.name}.{field.name}"
        for definition in schema.type_definitions.values()
        if isinstance(definition, GraphQLObjectType) and not definition.name.startswith("__")
        for field in definition.implemented_fields.values()
        if not field.name.startswith("__")
        and (definition.name in roots or field.arguments or field.raw_resolver is not None)
    )


def parse_document(engine: Engine, text: str) -> Any:
    """Return Tartiflette's document for a validated text, parsed once. Raises its error if it cannot parse it."""
    parse: Any = engine._cached_parse_and_validate_query  # noqa: SLF001 - as in schema_of
    document, errors = parse(text, schema_of(engine))
    if errors:
        raise errors[0]
    return document


def _copy_registry(schema_name: str, own_name: str, left_out: frozenset[str]) -> None:
    registered = SchemaRegistry._schemas.get(schema_name, {})  # noqa: SLF001 - the registry has no public way to read it
    own = {kind: dict(objects) for kind, objects in registered.items() if isinstance(objects, dict)}
    own.setdefault("scalars", {}).update({name: _OmittedBuiltIn(name) for name in left_out})
    own.setdefault("directives", {})["nonIntrospectable"] = _OmittedBuiltIn("nonIntrospectable")
    SchemaRegistry._schemas[own_name] = own  # noqa: SLF001 - see above
    Directive("specifiedBy", schema_name=own_name)(_SpecifiedBy)
    for field, function in INTROSPECTION_RESOLVERS.items():
        Resolver(field, schema_name=own_name)(function)


def _require_resolvers(schema: Any) -> None:
    for root in (schema.query_operation_name, schema.mutation_operation_name, schema.subscription_operation_name):
        root_type = schema.type_definitions.get(root)
        for field in root_type.implemented_fields.values() if root_type else ():
            if field.raw_resolver is None:
                raise LookupError(f"{root}.{field.name} has no resolver.")


def _require_known_directives(schema: Any) -> None:
    # Tartiflette would call other directives during coercion, but the coercion here does not.
    elements: list[Any] = []
    for definition in schema.type_definitions.values():
        fields = {**getattr(definition, "implemented_fields", {}), **getattr(definition, "input_fields", {})}.values()
        arguments = [argument for field in fields for argument in getattr(field, "arguments", {}).values()]
        elements += [definition, *fields, *arguments, *getattr(definition, "values", ())]
    for directive in (directive for element in elements for directive in getattr(element, "directives", None) or ()):
        if directive.name.value not in _SDL_DIRECTIVES:
            raise LookupError(f"The engine does not know the directive @{directive.name.value}.")


def _resolve_sequentially(schema: Any) -> None:
    # @Resolver marks each field to run concurrently with its siblings by default. Here a request reads from one
    # connection, and Tartiflette would return the CancelledError of a cancelled sibling as data.
    for definition in schema.type_definitions.values():
        if isinstance(definition, GraphQLObjectType):
            for field in definition.implemented_fields.values():
                field.parent_concurrently = False


def _text_only(value: object) -> str:
    # Tartiflette's own function converts any object to a String, even with its memory address.
    if not isinstance(value, str):
        raise TypeError("A String is made from a str.")
    return value


async def _coerce_sequentially(*coroutines: Coroutine[Any, Any, Any]) -> list[Any]:
    results: list[Any] = []
    for coroutine in coroutines:
        try:
            results.append(await coroutine)
        except Exception as error:  # noqa: BLE001 - Tartiflette's contract: an error is a result
            results.append(error)
    return results
