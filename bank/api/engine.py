"""The GraphQL engine: Tartiflette, fed only what the gate has admitted, with its errors masked.

Several engines can live in one process, also for one schema name: resolvers are registered once, when their module is
imported, and every engine is built from its own copy of that register.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from tartiflette import Engine
from tartiflette.language.ast import OperationDefinitionNode

from bank.api.bake import ResolverFunction, bake_engine, parse_admitted, schema_of
from bank.api.gate import Admitted
from bank.api.masking import InternalErrorHook, error_dict, log_internal_error, mask_error
from bank.api.variables import InputTypes, UnfitVariable, Variable, coerce_variables

SCHEMA_NAME = "bank"


class GraphQLEngine:
    """Executes admitted documents. Made by `create`."""

    def __init__(self, engine: Engine, input_types: InputTypes) -> None:
        self._engine = engine
        self._input_types = input_types

    @classmethod
    async def create(
        cls,
        sdl: str,
        modules: Sequence[str] = (),
        schema_name: str = SCHEMA_NAME,
        *,
        resolvers: Mapping[str, ResolverFunction] | None = None,
        concurrent_lists: Iterable[str] = (),
        on_internal_error: InternalErrorHook = log_internal_error,
    ) -> "GraphQLEngine":
        """Build an engine for an SDL.

        `modules` are imported for the resolvers that they register under `schema_name`; `resolvers` are added to those.
        Fields run one after the other, and so do the items of a list, because a request reads from one connection; the
        items of the lists named in `concurrent_lists` ("User.accounts") run side by side, for batch loading.
        """

        async def coerce_error(exception: Exception, entry: dict[str, Any]) -> dict[str, Any]:
            return mask_error(exception, entry, on_internal_error)

        for module in modules:
            import_module(module)
        engine = await bake_engine(
            sdl,
            schema_name,
            resolvers=resolvers or {},
            concurrent_lists=concurrent_lists,
            error_coercer=coerce_error,
        )
        return cls(engine, await InputTypes.read(schema_of(engine)))

    async def execute(
        self,
        admitted: Admitted,
        *,
        operation_name: str | None = None,
        variables: Mapping[str, Any] | None = None,
        context: Any = None,
    ) -> dict[str, Any]:
        """Run one operation and return the response: `data`, and `errors` where there are any, all of them masked.

        Where a variable does not fit there is no `data`: nothing was run. `context` is handed to the resolvers. Raises
        Refused where the document has no such operation; CancelledError goes through; nothing else is raised.
        """
        name = admitted.operation(operation_name).name
        given = variables or {}
        try:
            coerce_variables(await self._variables(admitted, name), given)
        except UnfitVariable as unfit:
            place = unfit.variable.node.location
            locations = [{"line": place.line, "column": place.column}]
            return {"errors": [{**error_dict(unfit.error), "locations": locations}]}
        response: dict[str, Any] = await self._engine.execute(
            admitted.text, operation_name=name, variables=dict(given), context=context
        )
        return response

    async def _variables(self, admitted: Admitted, name: str | None) -> tuple[Variable, ...]:
        document = parse_admitted(self._engine, admitted.text)
        for node in document.definitions:
            if isinstance(node, OperationDefinitionNode) and (node.name.value if node.name else None) == name:
                return tuple([await self._input_types.variable(inner) for inner in node.variable_definitions or ()])
        raise LookupError("An admitted document has lost an operation.")
