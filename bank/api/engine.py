"""The GraphQL engine: Tartiflette, fed only what the gate has admitted, its answers planned, its errors masked.

Several engines can live in one process, also for one schema name: resolvers are registered once, when their module is
imported, and every engine is built from its own copy of that register.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from tartiflette import Engine
from tartiflette.execution.context import ExecutionContext
from tartiflette.language.ast import FragmentDefinitionNode, OperationDefinitionNode

from bank.api.bake import KeptDocuments, ResolverFunction, bake_engine, parse_admitted, schema_of
from bank.api.gate import Admitted, Operation
from bank.api.masking import InternalErrorHook, error_dict, log_internal_error, mask_error
from bank.api.plan import Plan, Planner, condition_variables
from bank.api.recent import Recent
from bank.api.tuning import can_be_tuned, run_plan
from bank.api.variables import InputTypes, UnfitVariable, Variable, coerce_variables
from bank.errors import BadInput, BankError

SCHEMA_NAME = "bank"

# Plans kept for one operation: it has one for each way its @skip and @include can fall. Clients use two or three.
PLANS_MAX = 16

# Answers to introspection kept: the tools in use send a handful of documents, and an answer is up to 250 kB.
CONSTANTS_MAX = 16

_INTROSPECTION = frozenset({"__schema", "__type", "__typename"})


@dataclass(slots=True)
class _Prepared:
    """An operation as it is run: what does not change from request to request."""

    operation: Any
    fragments: dict[str, Any]
    variables: tuple[Variable, ...]
    conditions: tuple[str, ...]
    plans: dict[tuple[Any, ...], Plan] = field(default_factory=dict)


class GraphQLEngine:
    """Executes admitted documents. Made by `create`."""

    def __init__(
        self, engine: Engine, input_types: InputTypes, planner: Planner | None, on_internal_error: InternalErrorHook
    ) -> None:
        self._engine = engine
        self._schema = schema_of(engine)
        self._input_types = input_types
        self._planner = planner
        self._on_internal_error = on_internal_error
        self._constants: Recent[dict[str, Any]] = Recent(CONSTANTS_MAX)
        self._prepared = KeptDocuments(lambda _text, _schema: dict[str | None, _Prepared]())

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
        tuned: bool = True,
    ) -> "GraphQLEngine":
        """Build an engine for an SDL.

        `modules` are imported for the resolvers that they register under `schema_name`; `resolvers` are added to those.
        Fields run one after the other, and so do the items of a list, because a request reads from one connection; the
        items of the lists named in `concurrent_lists` ("User.accounts") run side by side, for batch loading.
        Without `tuned`, or with a Tartiflette it was not written for, the plans are left out: same answers, slower.
        Raises TypeError for an SDL that is not valid, and LookupError where a root field has no resolver, or a
        directive no effect.
        """

        async def coerce_error(exception: Exception, entry: dict[str, Any]) -> dict[str, Any]:
            return mask_error(exception, entry, on_internal_error)

        for module in modules:
            import_module(module)
        engine = await bake_engine(sdl, schema_name, resolvers=resolvers or {}, error_coercer=coerce_error)
        schema = schema_of(engine)
        concurrent = frozenset(concurrent_lists)
        for coordinate in concurrent:
            schema.get_field_by_name(coordinate)  # raises for one there is not
        planner = Planner(schema, concurrent) if tuned and can_be_tuned() else None
        return cls(engine, await InputTypes.read(schema), planner, on_internal_error)

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
        operation = admitted.operation(operation_name)
        is_introspection = _INTROSPECTION.issuperset(operation.roots)
        constant = self._constants.get(f"{operation.name} {admitted.digest}") if is_introspection else None
        if constant is not None:
            return dict(constant)
        try:
            prepared = await self._prepare(admitted, operation)
            values = coerce_variables(prepared.variables, variables or {})
            if self._planner is None:
                response: dict[str, Any] = await self._engine.execute(
                    admitted.text, operation_name=operation.name, variables=dict(variables or {}), context=context
                )
            else:
                plan = await self._plan(self._planner, prepared, values)
                response = await self._run(prepared, plan, values, context)
        except UnfitVariable as unfit:
            place = unfit.variable.node.location
            return {
                "errors": [{**error_dict(unfit.error), "locations": [{"line": place.line, "column": place.column}]}]
            }
        except BadInput as error:
            return {"errors": [error_dict(error)]}
        except Exception as error:  # noqa: BLE001 - the last resort: a client gets an answer whatever is wrong here
            self._on_internal_error(error)
            return {"errors": [error_dict(BankError("Internal error"))]}
        if is_introspection and not prepared.variables and "errors" not in response:
            # It can never be another one.
            self._constants.put(f"{operation.name} {admitted.digest}", dict(response))
        return response

    async def _prepare(self, admitted: Admitted, operation: Operation) -> _Prepared:
        kept: dict[str | None, _Prepared] = self._prepared(admitted.text, None)
        prepared = kept.get(operation.name)
        if prepared is None:
            document = parse_admitted(self._engine, admitted.text)
            node = next(node for node in document.definitions if _defines(node, operation.name))
            fragments = [node for node in document.definitions if isinstance(node, FragmentDefinitionNode)]
            prepared = _Prepared(
                operation=node,
                fragments={fragment.name.value: fragment for fragment in fragments},
                variables=tuple([await self._input_types.variable(inner) for inner in node.variable_definitions or ()]),
                conditions=condition_variables([node, *fragments]),
            )
            kept[operation.name] = prepared
        return prepared

    async def _plan(self, planner: Planner, prepared: _Prepared, values: Mapping[str, Any]) -> Plan:
        key = tuple([values.get(name) for name in prepared.conditions])
        plan = prepared.plans.get(key)
        if plan is None:
            operation = prepared.operation
            root_type = self._schema.get_operation_root_type(operation)
            plan = await planner.plan(root_type, [operation.selection_set], prepared.fragments, values)
            if len(prepared.plans) < PLANS_MAX:
                prepared.plans[key] = plan
        return plan

    async def _run(self, prepared: _Prepared, plan: Plan, values: dict[str, Any], context: Any) -> dict[str, Any]:
        execution = ExecutionContext(self._schema, prepared.fragments, prepared.operation, context, None, values)
        data: dict[str, Any] | None
        try:
            data = await run_plan(plan, execution, None, None)
        except Exception as error:  # noqa: BLE001 - a root field that cannot be null has failed: there is no data at all
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
