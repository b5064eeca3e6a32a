"""The GraphQL engine: Tartiflette, fed only what the gate has admitted, with its errors masked.

Several engines can live in one process, also for one schema name: resolvers are registered once, when their module is
imported, and every engine is built from its own copy of that register.
"""

from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from typing import Any

from tartiflette import Engine

from bank.api.bake import ResolverFunction, bake_engine
from bank.api.gate import Admitted
from bank.api.masking import InternalErrorHook, log_internal_error, mask_error

SCHEMA_NAME = "bank"


class GraphQLEngine:
    """Executes admitted documents. Made by `create`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

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
        return cls(engine)

    async def execute(
        self,
        admitted: Admitted,
        *,
        operation_name: str | None = None,
        variables: Mapping[str, Any] | None = None,
        context: Any = None,
    ) -> dict[str, Any]:
        """Run one operation and return the response: `data`, and `errors` where there are any, all of them masked.

        `context` is handed to the resolvers. CancelledError goes through; nothing else is raised.
        """
        response: dict[str, Any] = await self._engine.execute(
            admitted.text, operation_name=operation_name, variables=dict(variables or {}), context=context
        )
        return response
