"""Measurement of GraphQL without its resolvers: four engines, the same documents and data, one core, CPU time.

"stock" is unmodified Tartiflette, "interpreted" is the bank's engine without its compiler, and "bank" is the engine in
production. graphql-core gets parsed documents. Resolvers return at once. The results are ratios, because machines
differ.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime
from inspect import isawaitable
from itertools import count
from typing import Any

import graphql
import msgspec
import pytest
from pytest_benchmark.fixture import BenchmarkFixture
from tartiflette import Resolver, create_engine

import contracts
from bank.api.scalars import SCALARS
from bank.api.schema import load_sdl
from bank.graphql.execution.engine import GraphQLEngine
from bank.graphql.execution.introspection import INTROSPECTION_RESOLVERS, INTROSPECTION_SDL
from bank.graphql.scalars import attach_scalars, register_scalars
from bank.graphql.validation.validator import DocumentValidator

Run = Callable[[], Awaitable[Any]]

SDL = load_sdl()
PAGE = 50
NOW = datetime(2026, 11, 22, 16, 3, tzinfo=UTC)
NUMBER = "0001/00000042-4"

# One round is a batch, so that the cost of the loop and the resolution of the clock do not matter.
BATCH = {"history": 10, "me": 100, "transfer": 100}

# The minimum ratio of the stock engine's CPU time to the bank's. Measured: 128, 43 and 29; with eager tasks 34, 28, 19.
RATIO_MIN = {"history": 20.0, "me": 15.0, "transfer": 10.0}


def money(amount_minor: int) -> dict[str, str]:
    return {"amount": f"{amount_minor // 100}.{amount_minor % 100:02}", "currency": "BRL"}


def transaction(number: int) -> dict[str, Any]:
    return {
        "id": f"0199c0de-0000-7000-8000-{number:012}",
        "kind": "TRANSFER",
        "amount": money(number),
        "fromAccountNumber": NUMBER,
        "toAccountNumber": NUMBER,
        "description": None,
        "createdAt": NOW,
        "relatedTransactionId": None,
        "holdId": None,
    }


ACCOUNT = {
    "id": "a",
    "number": NUMBER,
    "currency": "BRL",
    "status": "ACTIVE",
    "balance": money(1050),
    "availableBalance": money(1050),
    "heldBalance": money(0),
    "createdAt": NOW,
}
USER = {
    "id": "u",
    "email": "ana@example.com",
    "fullName": "Ana",
    "cpf": "52998224725",
    "role": "CUSTOMER",
    "createdAt": NOW,
}
EDGES = [
    {"cursor": f"c{number}", "change": money(number), "balanceAfter": money(5 * number), "node": transaction(number)}
    for number in range(PAGE)
]
HISTORY = {
    "edges": EDGES,
    "nodes": [edge["node"] for edge in EDGES],
    "pageInfo": {"hasNextPage": True, "hasPreviousPage": False, "startCursor": "c0", "endCursor": "c49"},
}
RECEIPT = {
    "transaction": transaction(1),
    "balanceAfter": money(1),
    "fee": money(0),
    "replayed": False,
    "userErrors": [],
}


def returning(value: Any) -> Any:
    async def resolve(_parent: Any, _arguments: Any, _context: Any, _info: Any) -> Any:
        return value

    return resolve


VALUES: dict[str, Any] = {
    "Query.me": USER,
    "Query.account": ACCOUNT,
    "User.accounts": [ACCOUNT] * 3,
    "Account.transactions": HISTORY,
    "Mutation.transfer": RECEIPT,
}
SCHEMA = graphql.build_schema(SDL)
ROOTS = [root for root in (SCHEMA.query_type, SCHEMA.mutation_type) if root is not None]
RESOLVERS = {
    **{f"{root.name}.{field}": returning(None) for root in ROOTS for field in root.fields},
    **{name: returning(value) for name, value in VALUES.items()},
}
DOCUMENTS = {"history": "AccountHistory", "me": "Me", "transfer": "Transfer"}
SOURCES = {
    name: (contracts.OPERATIONS / f"{file}.graphql").read_text(encoding="utf-8") for name, file in DOCUMENTS.items()
}
TRANSFER = {
    "idempotencyKey": "key",
    "fromAccountId": "a",
    "toAccountNumber": NUMBER,
    "amount": {"amount": "10.50", "currency": "BRL"},
    "description": "rent",
}
VARIABLES: dict[str, dict[str, Any]] = {
    "history": {"id": "a", "first": PAGE},
    "me": {},
    "transfer": {"input": TRANSFER},
}


async def bank_engine(name: str, *, compiled: bool) -> Run:
    engine = await GraphQLEngine.create(
        SDL, schema_name="benchmark", resolvers=RESOLVERS, compiled=compiled, codecs=SCALARS
    )
    document = DocumentValidator(SDL, codecs=SCALARS).validate(SOURCES[name])
    return lambda: engine.execute(document, variables=VARIABLES[name])


async def stock_engine(name: str) -> Run:
    schema_name = f"stock-{name}-{time.perf_counter_ns()}"
    register_scalars(schema_name, SCHEMA.type_map, SCALARS)
    for field, resolver in {**INTROSPECTION_RESOLVERS, **RESOLVERS}.items():
        Resolver(field, schema_name=schema_name)(resolver)
    engine = await create_engine(SDL + INTROSPECTION_SDL, schema_name=schema_name)
    return lambda: engine.execute(SOURCES[name], variables=VARIABLES[name])


async def reference_engine(name: str) -> Run:
    schema = graphql.build_schema(SDL)
    attach_scalars(schema, SCALARS)
    for coordinate, resolver in RESOLVERS.items():
        type_name, field = coordinate.split(".")
        definition = schema.type_map[type_name]
        assert isinstance(definition, graphql.GraphQLObjectType)
        definition.fields[field].resolve = lambda _parent, _info, resolver=resolver, **_: resolver(None, {}, None, None)
    document = graphql.parse(SOURCES[name])

    async def execute() -> Any:
        result = graphql.execute(
            schema,
            document,
            variable_values=VARIABLES[name],
            field_resolver=lambda parent, info, **_: parent[info.field_name],
        )
        result = await result if isawaitable(result) else result
        return {"data": result.data, **({"errors": result.errors} if result.errors else {})}

    return execute


ARMS: dict[str, Callable[[str], Awaitable[Run]]] = {
    "stock": stock_engine,
    "interpreted": lambda name: bank_engine(name, compiled=False),
    "bank": lambda name: bank_engine(name, compiled=True),
    "graphql-core": reference_engine,
}


@pytest.fixture(params=["lazy", "eager"])
def loop(request: pytest.FixtureRequest) -> Iterator[asyncio.AbstractEventLoop]:
    """An event loop with eager tasks, if Python supports them."""
    if request.param == "eager" and sys.version_info < (3, 12):
        pytest.skip("eager tasks need Python 3.12")
    loop = asyncio.new_event_loop()
    if request.param == "eager" and sys.version_info >= (3, 12):
        loop.set_task_factory(asyncio.eager_task_factory)
    yield loop
    loop.close()


async def repeat(run: Run, times: int) -> None:
    for _ in range(times):
        await run()


@pytest.mark.parametrize("arm", ARMS)
@pytest.mark.parametrize("name", DOCUMENTS)
@pytest.mark.benchmark(timer=time.process_time, min_rounds=5, warmup=True, warmup_iterations=1)
def test_an_operation(benchmark: BenchmarkFixture, loop: asyncio.AbstractEventLoop, name: str, arm: str) -> None:
    run = loop.run_until_complete(ARMS[arm](name))
    expected = loop.run_until_complete(loop.run_until_complete(ARMS["graphql-core"](name))())
    assert loop.run_until_complete(run()) == expected
    assert "errors" not in expected
    benchmark.extra_info["operations"] = BATCH[name]
    benchmark(lambda: loop.run_until_complete(repeat(run, BATCH[name])))


def cpu_seconds(loop: asyncio.AbstractEventLoop, run: Run, times: int) -> float:
    started = time.process_time()
    loop.run_until_complete(repeat(run, times))
    return time.process_time() - started


@pytest.mark.parametrize("name", DOCUMENTS)
def test_the_engine_of_the_bank_is_faster_than_tartiflette_alone(
    benchmark: BenchmarkFixture, loop: asyncio.AbstractEventLoop, name: str
) -> None:
    stock, bank = (loop.run_until_complete(ARMS[arm](name)) for arm in ("stock", "bank"))
    ratios: list[float] = []

    def measure() -> None:
        # The engines run one after the other, so that other load on the machine affects all of them.
        ratios.append(cpu_seconds(loop, stock, BATCH[name]) / cpu_seconds(loop, bank, BATCH[name]))

    benchmark.pedantic(measure, rounds=5, warmup_rounds=1)  # type: ignore[no-untyped-call]  # it has no types
    benchmark.extra_info["ratio"] = median = sorted(ratios)[len(ratios) // 2]
    assert median >= RATIO_MIN[name]


@pytest.mark.benchmark(timer=time.process_time)
def test_a_known_document_is_validated(benchmark: BenchmarkFixture) -> None:
    validator = DocumentValidator(SDL, codecs=SCALARS)
    validator.validate(SOURCES["history"])
    benchmark(validator.validate, SOURCES["history"])


@pytest.mark.benchmark(timer=time.process_time)
def test_an_unknown_document_is_validated(benchmark: BenchmarkFixture) -> None:
    validator = DocumentValidator(SDL, codecs=SCALARS)
    different = (SOURCES["history"] + " " * spaces for spaces in count())
    benchmark(lambda: validator.validate(next(different)))


@pytest.mark.benchmark(timer=time.process_time)
def test_writing_a_page_of_history_as_json(benchmark: BenchmarkFixture) -> None:
    response = asyncio.run(answer("history"))
    assert len(benchmark(msgspec.json.encode, response)) > 10_000


async def answer(name: str) -> Any:
    return await (await bank_engine(name, compiled=True))()
