"""The GraphQL engine: Tartiflette for validated documents, with compiled selections and masked errors.

One process can have several engines, even for one schema name. Resolvers are registered once, when their module is
imported, and every engine is built from its own copy of that registry.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from cachetools import LRUCache
from tartiflette import Engine
from tartiflette.execution.context import ExecutionContext
from tartiflette.language.ast import FragmentDefinitionNode, OperationDefinitionNode

from bank.errors import BadInput, BankError
from bank.graphql.errors import InternalErrorHook, format_error, log_internal_error, mask_error
from bank.graphql.execution.coercion import InputTypes, Variable, VariableError, coerce_variables
from bank.graphql.execution.compiler import CompiledSelection, Compiler, condition_variables
from bank.graphql.execution.executor import execute_selection, supports_tartiflette
from bank.graphql.execution.schema_builder import (
    DocumentCache,
    ResolverFunction,
    build_engine,
    parse_document,
    resolved_fields_of,
    schema_of,
)
from bank.graphql.scalars import ScalarCodecs
from bank.graphql.validation.validator import Operation, ValidatedDocument

# The cached selections of one operation: one for each result of its @skip and @include. Clients use two or three.
SELECTIONS_MAX = 16

# The cached responses to introspection: tools send only a few different documents, and a response has up to 250 kB.
INTROSPECTIONS_MAX = 16

_INTROSPECTION = frozenset({"__schema", "__type", "__typename"})


@dataclass(slots=True)
class _PreparedOperation:
    """The parts of an operation that do not change from request to request."""

    operation: Any
    fragments: dict[str, Any]
    variables: tuple[Variable, ...]
    conditions: tuple[str, ...]
    selections: dict[tuple[Any, ...], CompiledSelection] = field(default_factory=dict)


class GraphQLEngine:
    """Executes validated documents. Made by `create`."""

    def __init__(
        self, engine: Engine, input_types: InputTypes, compiler: Compiler | None, on_internal_error: InternalErrorHook
    ) -> None:
        self._engine = engine
        self._schema = schema_of(engine)
        self._input_types = input_types
        self._compiler = compiler
        self._on_internal_error = on_internal_error
        self._introspections: LRUCache[str, dict[str, Any]] = LRUCache(INTROSPECTIONS_MAX)
        self._prepared = DocumentCache(lambda _text, _schema: dict[str | None, _PreparedOperation]())

    @classmethod
    async def create(
        cls,
        sdl: str,
        modules: Sequence[str] = (),
        schema_name: str = "default",
        *,
        codecs: ScalarCodecs | None = None,
        resolvers: Mapping[str, ResolverFunction] | None = None,
        concurrent_lists: Iterable[str] = (),
        on_internal_error: InternalErrorHook = log_internal_error,
        compiled: bool = True,
    ) -> "GraphQLEngine":
        """Build an engine for an SDL.

        `modules` are imported for the resolvers that they register under `schema_name`; `resolvers` are added to those.
        `codecs` are the custom scalars by name. Fields are executed one after the other, and so are the items of a
        list, because a request reads from one connection; the items of the lists named in `concurrent_lists`
        ("User.accounts") are executed concurrently, for batch loading. If not `compiled`, or with another version of
        Tartiflette than the supported one, Tartiflette executes everything: the same responses, slower.
        Raises TypeError for an SDL that is not valid, and LookupError if a root field has no resolver or a directive
        has no implementation.
        """

        async def coerce_error(exception: Exception, entry: dict[str, Any]) -> dict[str, Any]:
            return mask_error(exception, entry, on_internal_error)

        for module in modules:
            import_module(module)
        codecs = codecs or {}
        engine = await build_engine(
            sdl, schema_name, resolvers=resolvers or {}, error_coercer=coerce_error, codecs=codecs
        )
        schema = schema_of(engine)
        concurrent = frozenset(concurrent_lists)
        for coordinate in concurrent:
            schema.get_field_by_name(coordinate)  # raises for an unknown field
        compiler = Compiler(schema, codecs, concurrent) if compiled and supports_tartiflette() else None
        return cls(engine, await InputTypes.read(schema, codecs), compiler, on_internal_error)

    def resolved_fields(self) -> frozenset[str]:
        """Return the coordinates of the root fields, the fields with arguments, and the fields with a resolver.

        All other fields return a member of their parent. Fields of introspection are left out.
        """
        return resolved_fields_of(self._schema)

    async def execute(
        self,
        document: ValidatedDocument,
        *,
        operation_name: str | None = None,
        variables: Mapping[str, Any] | None = None,
        context: Any = None,
    ) -> dict[str, Any]:
        """Execute one operation and return the response: `data`, and `errors` if there are any, all of them masked.

        If a variable is invalid there is no `data`: nothing was executed. `context` is passed to the resolvers. Raises
        DocumentError if the document has no such operation; CancelledError passes; nothing else is raised.
        """
        operation = document.operation(operation_name)
        is_introspection = _INTROSPECTION.issuperset(operation.roots)
        cached = self._introspections.get(f"{operation.name} {document.digest}") if is_introspection else None
        if cached is not None:
            return dict(cached)
        try:
            prepared = await self._prepare(document, operation)
            values = coerce_variables(prepared.variables, variables or {})
            if self._compiler is None:
                response: dict[str, Any] = await self._engine.execute(
                    document.text, operation_name=operation.name, variables=dict(variables or {}), context=context
                )
            else:
                selection = await self._select(self._compiler, prepared, values)
                response = await self._run(prepared, selection, values, context)
        except VariableError as invalid:
            start = invalid.variable.node.location
            return {
                "errors": [{**format_error(invalid.error), "locations": [{"line": start.line, "column": start.column}]}]
            }
        except BadInput as error:
            return {"errors": [format_error(error)]}
        except Exception as error:  # noqa: BLE001 - the client has to get a response even after a bug here
            self._on_internal_error(error)
            return {"errors": [format_error(BankError("Internal error"))]}
        if is_introspection and not prepared.variables and "errors" not in response:
            # The schema does not change while the engine lives.
            self._introspections[f"{operation.name} {document.digest}"] = dict(response)
        return response

    async def _prepare(self, document: ValidatedDocument, operation: Operation) -> _PreparedOperation:
        by_name: dict[str | None, _PreparedOperation] = self._prepared(document.text, None)
        prepared = by_name.get(operation.name)
        if prepared is None:
            parsed = parse_document(self._engine, document.text)
            node = next(node for node in parsed.definitions if _defines(node, operation.name))
            fragments = [node for node in parsed.definitions if isinstance(node, FragmentDefinitionNode)]
            prepared = _PreparedOperation(
                operation=node,
                fragments={fragment.name.value: fragment for fragment in fragments},
                variables=tuple([await self._input_types.variable(inner) for inner in node.variable_definitions or ()]),
                conditions=condition_variables([node, *fragments]),
            )
            by_name[operation.name] = prepared
        return prepared

    async def _select(
        self, compiler: Compiler, prepared: _PreparedOperation, values: Mapping[str, Any]
    ) -> CompiledSelection:
        key = tuple([values.get(name) for name in prepared.conditions])
        selection = prepared.selections.get(key)
        if selection is None:
            operation = prepared.operation
            root_type = self._schema.get_operation_root_type(operation)
            selection = await compiler.compile(root_type, [operation.selection_set], prepared.fragments, values)
            if len(prepared.selections) < SELECTIONS_MAX:
                prepared.selections[key] = selection
        return selection

    async def _run(
        self, prepared: _PreparedOperation, selection: CompiledSelection, values: dict[str, Any], context: Any
    ) -> dict[str, Any]:
        execution = ExecutionContext(self._schema, prepared.fragments, prepared.operation, context, None, values)
        data: dict[str, Any] | None
        try:
            data = await execute_selection(selection, execution, None, None)
        except Exception as error:  # noqa: BLE001 - a root field that cannot be null has failed: there is no data
            execution.add_error(error)
            data = None
        response: dict[str, Any] = {"data": data}
        if execution.errors:
            response["errors"] = [
                mask_error(error, error.coerce_value(), self._on_internal_error) for error in execution.errors
            ]
        return response


def _defines(node: Any, name: str | None) -> bool:
    return isinstance(node, OperationDefinitionNode) and (node.name.value if node.name else None) == name
