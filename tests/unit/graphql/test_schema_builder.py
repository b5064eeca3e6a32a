"""Engines: several in one process, each built completely or not at all; the execution of fields, and cancellation."""

import asyncio
from typing import Any

import pytest
import structlog
from tartiflette import Resolver
from tartiflette.schema.registry import SchemaRegistry

from bank.graphql.execution.engine import GraphQLEngine
from bank.graphql.execution.schema_builder import DocumentCache
from bank.graphql.validation.errors import DocumentError
from bank.graphql.validation.validator import DocumentValidator

WHO = "type Query { who: String }"


def answering(name: str) -> Any:
    async def resolve(*_: Any) -> str:
        return name

    return resolve


@pytest.fixture(params=[True, False], ids=["compiled", "interpreted"])
def compiled(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def test_several_engines_of_one_schema_name_work_in_one_process() -> None:
    one = await GraphQLEngine.create(WHO, schema_name="many", resolvers={"Query.who": answering("one")})
    two = await GraphQLEngine.create(WHO, schema_name="many", resolvers={"Query.who": answering("two")})
    document = DocumentValidator(WHO).validate("{ who }")
    assert await one.execute(document) == {"data": {"who": "one"}}
    assert await two.execute(document) == {"data": {"who": "two"}}


async def test_resolvers_of_decorators_serve_every_engine_of_their_schema_name() -> None:
    @Resolver("Query.who", schema_name="decorated")
    async def who(*_: Any) -> str:
        return "decorated"

    for _ in range(2):
        engine = await GraphQLEngine.create(WHO, schema_name="decorated")
        assert await engine.execute(DocumentValidator(WHO).validate("{ who }")) == {"data": {"who": "decorated"}}


async def test_engines_leave_nothing_in_tartiflettes_register() -> None:
    before = set(SchemaRegistry._schemas)
    await GraphQLEngine.create(WHO, schema_name="left", resolvers={"Query.who": answering("me")})
    assert set(SchemaRegistry._schemas) == before


async def test_a_root_field_without_a_resolver_fails_the_build() -> None:
    with pytest.raises(LookupError, match=r"Query\.forgotten has no resolver"):
        await GraphQLEngine.create("type Query { forgotten: Int }", schema_name="forgotten")


async def test_a_directive_that_the_engine_ignores_fails_the_build() -> None:
    async def resolve(*_: Any) -> int:
        return 1

    sdl = "directive @limit(to: Int!) on FIELD_DEFINITION type Query { a: Int @limit(to: 1) }"
    with pytest.raises(Exception, match="limit"):
        await GraphQLEngine.create(sdl, schema_name="directive", resolvers={"Query.a": resolve})


async def test_an_operation_is_chosen_by_name() -> None:
    engine = await GraphQLEngine.create(WHO, schema_name="named", resolvers={"Query.who": answering("me")})
    document = DocumentValidator(WHO).validate("query A { a: who } query B { b: who }")
    assert await engine.execute(document, operation_name="B") == {"data": {"b": "me"}}
    assert await engine.execute(document, operation_name="A") == {"data": {"a": "me"}}
    with pytest.raises(DocumentError):
        await engine.execute(document)


async def test_an_unknown_version_of_tartiflette_runs_without_compilation(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bank.graphql.execution.executor.SUPPORTED_VERSION", "9.9.9")
    monkeypatch.setattr("bank.graphql.execution.engine.execute_selection", None)
    engine = await GraphQLEngine.create(WHO, schema_name="version", resolvers={"Query.who": answering("me")})
    assert await engine.execute(DocumentValidator(WHO).validate("{ who }")) == {"data": {"who": "me"}}


async def test_query_fields_run_in_sequence(compiled: bool) -> None:
    order: list[str] = []

    async def resolve(_parent: Any, _arguments: Any, _context: Any, info: Any) -> int:
        order.append(f"{info.field_name} begins")
        await asyncio.sleep(0)
        order.append(f"{info.field_name} ends")
        return 1

    sdl = "type Query { a: Int b: Int }"
    resolvers = {"Query.a": resolve, "Query.b": resolve}
    engine = await GraphQLEngine.create(sdl, schema_name="turn", resolvers=resolvers, compiled=compiled)
    await engine.execute(DocumentValidator(sdl).validate("{ a b }"))
    assert order == ["a begins", "a ends", "b begins", "b ends"]


async def test_a_cancelled_request_is_cancelled_and_not_answered(compiled: bool) -> None:
    started = asyncio.Event()

    async def wait(*_: Any) -> None:
        started.set()
        await asyncio.Event().wait()

    sdl = "type Query { wait: Int other: Int }"
    engine = await GraphQLEngine.create(
        sdl, schema_name="cancel", resolvers={"Query.wait": wait, "Query.other": wait}, compiled=compiled
    )
    task = asyncio.create_task(engine.execute(DocumentValidator(sdl).validate("{ wait other }")))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_timeout_around_the_engine_works(compiled: bool) -> None:
    async def wait(*_: Any) -> None:
        await asyncio.Event().wait()

    engine = await GraphQLEngine.create(
        "type Query { wait: Int }", schema_name="timeout", resolvers={"Query.wait": wait}, compiled=compiled
    )
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.01):
            await engine.execute(DocumentValidator("type Query { wait: Int }").validate("{ wait }"))


async def test_internal_errors_go_to_the_log_with_their_traceback() -> None:
    async def fail(*_: Any) -> None:
        raise RuntimeError("the reason")

    engine = await GraphQLEngine.create("type Query { fail: Int }", schema_name="log", resolvers={"Query.fail": fail})
    with structlog.testing.capture_logs() as lines:
        await engine.execute(DocumentValidator("type Query { fail: Int }").validate("{ fail }"))
    assert [line["event"] for line in lines] == ["graphql_internal_error"]
    kind, error, traceback = lines[0]["exc_info"]
    assert (kind, str(error)) == (RuntimeError, "the reason")
    assert traceback is not None


def test_the_cache_of_documents_is_bounded_by_size_and_keeps_the_last_used() -> None:
    made: list[str] = []

    def make(text: str, _schema: Any) -> str:
        made.append(text)
        return text.upper()

    kept = DocumentCache(make)
    large = [str(number).rjust(DocumentCache.CHARACTERS_MAX // 4) for number in range(4)]
    for text in (*large, large[0], "small", large[0], large[1]):
        assert kept(text, None) == text.upper()
    # "small" has evicted the least recently used document, large[1].
    assert made == [*large, "small", large[1]]
    assert len(kept._documents) == 4


def test_even_the_smallest_documents_are_bounded() -> None:
    kept = DocumentCache(lambda text, _schema: text)
    for number in range(5_000):
        kept(str(number), None)
    assert len(kept._documents) == DocumentCache.CHARACTERS_MAX // DocumentCache.CHARACTERS_MIN


async def test_an_introspection_response_is_cached_unless_it_depends_on_variables_or_data() -> None:
    engine = await GraphQLEngine.create(WHO, schema_name="constant", resolvers={"Query.who": answering("me")})
    validator = DocumentValidator(WHO)

    async def ask(source: str, **variables: Any) -> Any:
        return (await engine.execute(validator.validate(source), variables=variables))["data"]

    by_name = "query ($name: String!) { __type(name: $name) { name } }"
    assert await ask(by_name, name="Query") == {"__type": {"name": "Query"}}
    assert await ask(by_name, name="String") == {"__type": {"name": "String"}}
    two = 'query A { __type(name: "Query") { name } } query B { __type(name: "Int") { name } }'
    for name, expected in (("A", "Query"), ("B", "Int"), ("A", "Query")):
        response = await engine.execute(validator.validate(two), operation_name=name)
        assert response == {"data": {"__type": {"name": expected}}}
        response.clear()
    assert await ask('{ who __type(name: "Int") { name } }') == {"who": "me", "__type": {"name": "Int"}}
