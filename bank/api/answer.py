"""From a GraphQL request to its answer: validation, session, cache, engine, cache."""

import asyncio
from dataclasses import dataclass
from time import perf_counter
from typing import Any

import msgspec
import structlog

from bank.api.record import METHOD_NOT_ALLOWED, refusals
from bank.api.scope import OF_THE_PAST, RequestScope
from bank.app import Bank
from bank.cache.answers import AWAY, Look, answer_key
from bank.database.snapshot import ReadSnapshot
from bank.errors import BankError, Unauthenticated
from bank.graphql.errors import error_extensions, format_error
from bank.graphql.execution.engine import GraphQLEngine
from bank.graphql.validation.errors import DocumentError
from bank.graphql.validation.validator import DocumentValidator, Operation, ValidatedDocument
from bank.identity.tokens import Caller
from bank.ledger.post import SETTLE_THE_PAST
from bank.telemetry import metrics
from bank.telemetry.context import current_context, enter_actor

logger = structlog.get_logger(__name__)

# What may be kept: the caller's own, made from tagged values. Anything else is read anew each time.
CACHEABLE_ROOTS = frozenset({"me", "account"})


@dataclass(frozen=True, slots=True, kw_only=True)
class GraphQLRequest:
    """A request as it came in. `past_cache`: the client asked for `Cache-Control: no-cache`."""

    query: str
    operation_name: str | None = None
    variables: dict[str, Any] | None = None
    access_token: str | None = None
    past_cache: bool = False
    queries_only: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What goes back: the body, what the cache did for it, and the code of the error that decides the HTTP status.

    `executed` is false where the request was refused before any field ran; `database_s` is what reads took there.
    """

    body: bytes
    operation: str
    cache: str = "none"
    executed: bool = True
    error_code: str | None = None
    database_s: float = 0.0


class Answerer:
    """Answers GraphQL requests."""

    def __init__(self, bank: Bank, validator: DocumentValidator, engine: GraphQLEngine) -> None:
        self._bank = bank
        self._validator = validator
        self._engine = engine
        self._filling: set[asyncio.Task[bool]] = set()

    async def answer(self, request: GraphQLRequest) -> Answer:
        """Answer a request. Never raises: whatever goes wrong is an answer with errors."""
        started = perf_counter()
        try:
            answer = await self._answer_or_refuse(request)
        except Exception:  # a bug is told to the log in full, and to the client not at all
            logger.exception("request_broken")
            answer = _refusal([format_error(BankError("Internal error"))], "broken")
        metrics.REQUEST_SECONDS.labels(answer.operation, answer.cache).observe(perf_counter() - started)
        if answer.error_code is not None:
            metrics.REQUEST_ERRORS.labels(answer.operation, answer.error_code).inc()
        context = current_context()
        for code in context.refusals if context else ():
            metrics.REFUSALS.labels(answer.operation, code).inc()
        return answer

    async def _answer_or_refuse(self, request: GraphQLRequest) -> Answer:
        try:
            document = self._validator.validate(request.query)
            operation = document.operation(request.operation_name)
        except DocumentError as error:
            return _refusal(error.errors)
        name = _label(operation)
        try:
            caller = await self._identify(request, operation)
            if operation.kind != "query" and request.queries_only:
                message = "Only queries can be sent with GET."
                errors = [{"message": message, "extensions": error_extensions(METHOD_NOT_ALLOWED)}]
                await self._bank.witness.tell(*refusals(operation, caller.user_id if caller else None, errors))
                return _refusal(errors, name)
            if operation.kind == "query" and caller is not None:
                return await self._answer_query(request, document, operation, caller)
            if caller is not None:
                await self._require_open(operation, caller)
            result, scope = await self._execute(request, document, operation, caller, past_cache=True)
            await self._record(operation, scope, result)
            return _answer(result, name)
        except BankError as error:
            return _refusal([format_error(error)], name)

    async def _identify(self, request: GraphQLRequest, operation: Operation) -> Caller | None:
        try:
            caller = self._bank.tokens.verify(request.access_token) if request.access_token else None
        except Unauthenticated as error:
            await self._bank.witness.tell(*refusals(operation, None, [format_error(error)]))
            raise
        if caller is not None:
            enter_actor(caller.user_id)
        return caller

    async def _require_open(self, operation: Operation, caller: Caller) -> None:
        mark = await self._bank.values.session_mark(caller.session_id)
        try:
            await self._bank.sessions.require_open(caller, mark)
        except Unauthenticated as error:
            await self._bank.witness.tell(*refusals(operation, caller.user_id, [format_error(error)]))
            raise

    async def _record(self, operation: Operation, scope: RequestScope, result: dict[str, Any]) -> None:
        """Record what was refused and what staff was shown. Where that cannot be done the answer does not leave."""
        told = scope.told
        if errors := result.get("errors"):
            told = [*told, *refusals(operation, scope.caller.user_id if scope.caller else None, errors)]
        if told:
            await self._bank.witness.tell(*told)

    async def _answer_query(
        self, request: GraphQLRequest, document: ValidatedDocument, operation: Operation, caller: Caller
    ) -> Answer:
        name = _label(operation)
        cacheable = CACHEABLE_ROOTS.issuperset(operation.roots) and not request.past_cache
        key = answer_key(
            caller.user_id,
            document.digest,
            request.operation_name,
            msgspec.json.encode(request.variables, order="sorted"),
        )
        if cacheable and self._bank.values.owes and not await self._bank.values.settle():
            look = AWAY
        elif cacheable:
            look = await self._bank.answers.look(key, caller.session_id)
        else:
            look = Look(await self._bank.values.session_mark(caller.session_id), "bypass")
        await self._bank.sessions.require_open(caller, look.session_mark)
        if look.body is not None:
            _count("hit", name, 0.0)
            return Answer(body=look.body, operation=name, cache="hit")
        result, scope = await self._execute(request, document, operation, caller, past_cache=not cacheable)
        await self._record(operation, scope, result)
        served = "write_through" if cacheable and not scope.snapshot.database_s and scope.tags else look.result
        _count(served, name, scope.snapshot.database_s)
        answer = _answer(result, name, cache=served, database_s=scope.snapshot.database_s)
        if look.lease is not None and scope.cacheable and "errors" not in result:
            self._fill(key, look.lease, answer.body, scope)
        return answer

    async def _execute(
        self,
        request: GraphQLRequest,
        document: ValidatedDocument,
        operation: Operation,
        caller: Caller | None,
        *,
        past_cache: bool,
    ) -> tuple[dict[str, Any], RequestScope]:
        result, scope = await self._execute_once(request, document, operation, caller, past_cache=past_cache)
        if scope.snapshot.is_outdated and operation.kind == "query":
            # A migration has changed a table between two statements of this query; nothing of it has left yet.
            result, scope = await self._execute_once(request, document, operation, caller, past_cache=past_cache)
        return result, scope

    async def _execute_once(
        self,
        request: GraphQLRequest,
        document: ValidatedDocument,
        operation: Operation,
        caller: Caller | None,
        *,
        past_cache: bool,
    ) -> tuple[dict[str, Any], RequestScope]:
        asked_at = self._bank.clock.now()
        looks_back = not OF_THE_PAST.isdisjoint(operation.fields)
        snapshot = ReadSnapshot(self._bank.database, first=SETTLE_THE_PAST if looks_back else None)
        scope = RequestScope(
            bank=self._bank,
            snapshot=snapshot,
            operation=operation,
            caller=caller,
            reads_cache=not past_cache,
            cacheable=not past_cache,
            asked_at=asked_at,
        )
        try:
            result = await self._engine.execute(
                document, operation_name=request.operation_name, variables=request.variables, context=scope
            )
        finally:
            await snapshot.close()
        return result, scope

    def _fill(self, key: str, lease: str, body: bytes, scope: RequestScope) -> None:
        # The client has waited long enough; its next read finds the answer, or reads again.
        task = asyncio.create_task(self._bank.answers.fill(key, lease, body, list(scope.tags.values())))
        self._filling.add(task)
        task.add_done_callback(self._filled)

    def _filled(self, task: asyncio.Task[bool]) -> None:
        """Forget a fill that has ended. One that broke is a bug and is logged; its answer has long left."""
        self._filling.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            logger.error("fill_broken", exc_info=(type(error), error, error.__traceback__))

    async def close(self) -> None:
        """Wait for the cache to be told of the last answers."""
        if self._filling:
            await asyncio.gather(*self._filling, return_exceptions=True)


def _label(operation: Operation) -> str:
    # A fixed set, so that no client can make series: one root field of the schema, or else a word. Combinations of
    # fields would be as many as there are subsets.
    roots = set(operation.roots)
    if len(roots) > 1:
        return "multiple"
    [root] = roots
    return "introspection" if root.startswith("__") else root


def _count(result: str, operation: str, database_s: float) -> None:
    metrics.CACHE_REQUESTS.labels(result).inc()
    cache = "hit" if result in {"hit", "write_through"} else "bypass" if result == "bypass" else "miss"
    metrics.DATABASE_SECONDS.labels(operation, cache).observe(database_s)


def _answer(result: dict[str, Any], operation: str, *, cache: str = "none", database_s: float = 0.0) -> Answer:
    errors = result.get("errors")
    if errors and "data" not in result:
        # No field ran: a variable was found wrong.
        return _refusal(errors, operation)
    code = errors[0]["extensions"]["code"] if errors else None
    body = msgspec.json.encode(result)
    return Answer(body=body, operation=operation, cache=cache, error_code=code, database_s=database_s)


def _refusal(errors: list[dict[str, Any]], operation: str = "refused") -> Answer:
    code = errors[0]["extensions"]["code"]
    body = msgspec.json.encode({"errors": errors})
    return Answer(body=body, operation=operation, executed=False, error_code=code)
