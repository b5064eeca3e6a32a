"""The steps of a GraphQL request: validation, rate limits, session, response cache, execution, audit, response."""

from collections.abc import Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import msgspec
import structlog

from bank.api.middleware.authentication import ANONYMOUS, Authentication
from bank.api.refused_actions import MethodNotAllowed, refused_actions
from bank.api.resolver_context import HISTORICAL_FIELDS, ResolverContext
from bank.app import Bank
from bank.background import BackgroundTasks
from bank.cache.response_cache import REDIS_UNAVAILABLE, CacheLookup, response_key
from bank.database.snapshot import ReadSnapshot
from bank.errors import BadInput, BankError
from bank.events.event import DomainEvent
from bank.events.types.audit import ActionRefusedEvent
from bank.graphql.errors import format_error
from bank.graphql.execution.engine import GraphQLEngine
from bank.graphql.validation.errors import DocumentError
from bank.graphql.validation.validator import DocumentValidator, Operation, ValidatedDocument
from bank.identity.tokens import Caller
from bank.ledger.post import WAIT_FOR_OPEN_BATCHES
from bank.security.rate_limits import Admission, QuotaRequest, RateLimited, operation_costs, repeats_credentials
from bank.telemetry import metrics
from bank.telemetry.context import current_context

logger = structlog.get_logger(__name__)

# Root fields whose responses may be cached: they contain only the caller's own data, made from tagged values.
CACHEABLE_ROOTS = frozenset({"me", "account"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphQLRequest:
    """A request of a client. `bypass_cache`: the client sent `Cache-Control: no-cache`."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    authentication: Authentication = ANONYMOUS
    bypass_cache: bool = False
    queries_only: bool = False


@dataclass(slots=True, kw_only=True)
class GraphQLResponse:
    """The response: its body, the result of the cache look-up, and the code of the error that decides the HTTP status.

    `executed` is false if no field was executed; `database_s` is the time that reads spent in the database. `admission`
    is the decision of the rate limits, None for a document that was refused before.
    """

    body: bytes
    operation: str
    cache: str = "none"
    executed: bool = True
    error_code: str | None = None
    database_s: float = 0.0
    admission: Admission | None = None


@dataclass(slots=True)
class _Exchange:
    """A request with its valid document and its caller, and the decision of the rate limits once it is there."""

    request: GraphQLRequest
    document: ValidatedDocument
    operation: Operation
    caller: Caller | None
    admission: Admission | None = None

    @property
    def label(self) -> str:
        """The name of the operation in metrics and logs: its root field, `multiple` or `introspection`.

        The set of names is fixed, so that clients cannot create time series. Combinations of root fields have no names
        of their own, because there would be as many as subsets of the fields.
        """
        roots = set(self.operation.roots)
        if len(roots) > 1:
            return "multiple"
        [root] = roots
        return "introspection" if root.startswith("__") else root

    @property
    def is_cacheable(self) -> bool:
        """Return whether the response may come from the cache and go into it."""
        return CACHEABLE_ROOTS.issuperset(self.operation.roots) and not self.request.bypass_cache


class GraphQLRequestHandler:
    """Handles GraphQL requests."""

    def __init__(self, bank: Bank, validator: DocumentValidator, engine: GraphQLEngine) -> None:
        self._bank = bank
        self._validator = validator
        self._engine = engine
        self._fills = BackgroundTasks()

    async def handle(self, request: GraphQLRequest) -> GraphQLResponse:
        """Return the response to a request. Never raises: every error becomes a response with errors."""
        started = perf_counter()
        try:
            response = await self._validate_and_respond(request)
        except Exception:  # a bug: the log has its traceback, the client only sees "Internal error"
            logger.exception("request_failed")
            response = _error_response([format_error(BankError("Internal error"))], operation="broken")
        metrics.REQUEST_SECONDS.labels(response.operation, response.cache).observe(perf_counter() - started)
        if response.error_code is not None:
            metrics.REQUEST_ERRORS.labels(response.operation, response.error_code).inc()
        context = current_context()
        for code in context.refusals if context else ():
            metrics.REFUSALS.labels(response.operation, code).inc()
        return response

    async def close(self) -> None:
        """Wait until the last responses are in the cache."""
        await self._fills.finish()

    async def _validate_and_respond(self, request: GraphQLRequest) -> GraphQLResponse:
        try:
            document = self._validator.validate(request.query)
            operation = document.operation(request.operation_name)
        except DocumentError as error:
            return _error_response(error.errors)
        exchange = _Exchange(request, document, operation, request.authentication.caller)
        try:
            return await self._respond(exchange)
        except BankError as error:
            errors = [format_error(error)]
        try:
            await self._record(exchange, [], errors)
        except BankError as error:
            errors = [format_error(error)]
        return _error_response(errors, exchange)

    async def _respond(self, exchange: _Exchange) -> GraphQLResponse:
        """Return the response of an operation. Raises `BankError` if the whole operation is refused."""
        operation, caller = exchange.operation, exchange.caller
        context = current_context()
        quota = self._bank.rate_limiter.request(
            operation_costs(operation.kind, operation.roots),
            caller.user_id if caller else None,
            context.ip_address if context else None,
        )
        key = _key(exchange, caller) if caller is not None and exchange.is_cacheable else None
        lookup = await self._look_up(key, caller, quota.text)
        await self._require_admitted(exchange, quota, lookup)
        exchange.request.authentication.require_valid()
        if operation.kind != "query" and exchange.request.queries_only:
            raise MethodNotAllowed("Only queries can be sent with GET.")
        if repeats_credentials(operation.kind, operation.roots):
            # No client needs it, and each one costs a hash (OWASP API Security Top 10 2023, API4).
            raise BadInput("A document has at most one login, registration or other check of a password or a code.")
        if caller is not None:
            await self._bank.sessions.require_open(caller, lookup.session_mark)
            if operation.kind == "query":
                return await self._respond_through_cache(exchange, key, lookup)
        result, _ = await self._execute_and_record(exchange, use_cache=False)
        return _response(result, exchange)

    async def _look_up(self, key: str | None, caller: Caller | None, quota: str) -> CacheLookup:
        """Read everything that the request needs from Redis, in one round trip."""
        if key is None or caller is None:
            return await self._bank.responses.look_up_session(caller.session_id if caller else None, quota)
        if self._bank.values.has_deferred and not await self._bank.values.flush_deferred():
            return REDIS_UNAVAILABLE
        return await self._bank.responses.look_up(key, caller.session_id, quota)

    async def _require_admitted(self, exchange: _Exchange, quota: QuotaRequest, lookup: CacheLookup) -> None:
        """Raise `RateLimited` if a rate limit refuses the request. The first refusals are recorded."""
        limiter = self._bank.rate_limiter
        exchange.admission = admission = limiter.decide(quota, lookup.quota)
        if not admission.refused_by:
            return
        if limiter.is_first_refusal(quota, admission):
            caller_id = exchange.caller.user_id if exchange.caller else None
            await self._bank.recorder.record(
                ActionRefusedEvent(
                    action=exchange.operation.roots[0],
                    code=RateLimited.code,
                    entity_type="User",
                    entity_id=caller_id,
                    initiated_by=caller_id,
                )
            )
        raise limiter.refusal(admission)

    async def _respond_through_cache(
        self, exchange: _Exchange, key: str | None, lookup: CacheLookup
    ) -> GraphQLResponse:
        label = exchange.label
        if lookup.body is not None:
            _count("hit", label, 0.0)
            return GraphQLResponse(body=lookup.body, operation=label, cache="hit", admission=exchange.admission)
        result, context = await self._execute_and_record(exchange, use_cache=exchange.is_cacheable)
        database_s = context.snapshot.database_s
        # Without a read of the database, the response was made from cached accounts.
        from_accounts = exchange.is_cacheable and not database_s and context.tags
        cache_result = "write_through" if from_accounts else lookup.result
        _count(cache_result, label, database_s)
        response = _response(result, exchange, cache=cache_result, database_s=database_s)
        if key is not None and lookup.lease is not None and context.cacheable and "errors" not in result:
            self._fill(key, lookup.lease, response.body, context)
        return response

    async def _execute_and_record(
        self, exchange: _Exchange, *, use_cache: bool
    ) -> tuple[dict[str, Any], ResolverContext]:
        result, context = await self._execute(exchange, use_cache=use_cache)
        if context.snapshot.is_outdated and exchange.operation.kind == "query":
            # A migration changed a table between two statements of this query. No part of the result has been sent.
            result, context = await self._execute(exchange, use_cache=use_cache)
        await self._record(exchange, context.pending_events, result.get("errors", ()))
        return result, context

    async def _execute(self, exchange: _Exchange, *, use_cache: bool) -> tuple[dict[str, Any], ResolverContext]:
        asked_at = self._bank.clock.now()
        is_historical = not HISTORICAL_FIELDS.isdisjoint(exchange.operation.fields)
        snapshot = ReadSnapshot(self._bank.database, first=WAIT_FOR_OPEN_BATCHES if is_historical else None)
        context = ResolverContext(
            bank=self._bank,
            snapshot=snapshot,
            operation=exchange.operation,
            caller=exchange.caller,
            reads_cache=use_cache,
            cacheable=use_cache,
            asked_at=asked_at,
        )
        request = exchange.request
        try:
            result = await self._engine.execute(
                exchange.document,
                operation_name=request.operation_name,
                variables=request.variables,
                context=context,
            )
        finally:
            await snapshot.close()
        return result, context

    async def _record(
        self, exchange: _Exchange, events: Sequence[DomainEvent], errors: Sequence[dict[str, Any]]
    ) -> None:
        """Record refused actions and reads by staff. No response may be sent before they are recorded."""
        caller_id = exchange.caller.user_id if exchange.caller else None
        refused = refused_actions(exchange.operation, caller_id, errors) if errors else ()
        if events or refused:
            await self._bank.recorder.record(*events, *refused)

    def _fill(self, key: str, lease: str, body: bytes, context: ResolverContext) -> None:
        # The response does not wait for the fill. Until it is done, a repeated request reads the database again.
        self._fills.start("fill_cache", self._bank.responses.fill(key, lease, body, list(context.tags.values())))


def _count(result: str, operation: str, database_s: float) -> None:
    metrics.CACHE_REQUESTS.labels(result).inc()
    cache = "hit" if result in {"hit", "write_through"} else "bypass" if result == "bypass" else "miss"
    metrics.DATABASE_SECONDS.labels(operation, cache).observe(database_s)


def _key(exchange: _Exchange, caller: Caller) -> str:
    variables = msgspec.json.encode(exchange.request.variables, order="sorted")
    return response_key(caller.user_id, exchange.document.digest, exchange.request.operation_name, variables)


def _response(
    result: dict[str, Any], exchange: _Exchange, *, cache: str = "none", database_s: float = 0.0
) -> GraphQLResponse:
    errors = result.get("errors")
    if errors and "data" not in result:
        # No field was executed: a variable is invalid.
        return _error_response(errors, exchange)
    return GraphQLResponse(
        body=msgspec.json.encode(result),
        operation=exchange.label,
        cache=cache,
        error_code=errors[0]["extensions"]["code"] if errors else None,
        database_s=database_s,
        admission=exchange.admission,
    )


def _error_response(
    errors: list[dict[str, Any]], exchange: _Exchange | None = None, *, operation: str = "refused"
) -> GraphQLResponse:
    """Return the response to an operation of which no field was executed, or to a request without an operation."""
    return GraphQLResponse(
        body=msgspec.json.encode({"errors": errors}),
        operation=exchange.label if exchange else operation,
        executed=False,
        error_code=errors[0]["extensions"]["code"],
        admission=exchange.admission if exchange else None,
    )
