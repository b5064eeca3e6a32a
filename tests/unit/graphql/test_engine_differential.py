"""The engine answers like graphql-core, with and without compilation, for all documents and resolver results."""

import asyncio
import random
from collections.abc import Iterator, Mapping
from inspect import isawaitable
from typing import Any

import graphql
import pytest
from graphql import GraphQLObjectType, get_introspection_query
from graphql.type import GraphQLEnumType, GraphQLInterfaceType, GraphQLUnionType
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema

from bank.api.scalars import SCALARS
from bank.errors import BadInput
from bank.graphql.execution.engine import GraphQLEngine
from bank.graphql.validation.errors import DocumentError
from bank.graphql.validation.validator import DocumentValidator

# graphql-core is only the reference here. It drops coroutines of sibling fields when a field fails.
pytestmark = pytest.mark.filterwarnings(
    "ignore:coroutine '(Executor|ExecutionContext|reference_resolver):RuntimeWarning",
    "ignore:Exception ignored.*(Executor|ExecutionContext|reference_resolver):pytest.PytestUnraisableExceptionWarning",
)

SDL = """
type Query {
  thing: Thing
  sure: Thing!
  things: [Thing!]
  named: Named
  either: [Either]
  echo(text: String = "d", n: Int!): String
}

interface Named { name: String! thing: Thing }
union Either = Thing | Other
enum Color { RED GREEN }

type Thing implements Named {
  name: String!
  thing: Thing
  s: String
  i: Int
  iSure: Int!
  f: Float
  b: Boolean
  bSure: Boolean!
  id: ID!
  color: Color
  colorSure: Color!
  texts: [String]
  textsSure: [String!]!
  grid: [[Int]!]
  sure: Thing!
  many: [Thing]
  manySure: [Thing!]!
  "These have resolvers."
  lazy: Thing
  lazySure: Thing!
  lazyMany: [Thing!]
  lazyText(prefix: String! = "p", color: Color): String!
  named: Named
  either: Either!
}

type Other implements Named { name: String! thing: Thing other: String }
"""

SCHEMA = graphql.build_schema(SDL)
VALIDATOR = DocumentValidator(SDL, codecs=SCALARS)


def fields_of(type_name: str) -> dict[str, graphql.GraphQLField]:
    """Return the fields of an object type, of an interface or of an input."""
    fields: dict[str, graphql.GraphQLField] = SCHEMA.type_map[type_name].fields  # type: ignore[attr-defined]  # it has fields
    return fields


class GeneratedObject(Mapping[str, Any]):
    """An object with members derived from a seed, so that all engines get the same values, also invalid ones."""

    def __init__(self, seed: str, type_name: str, wrong: float) -> None:
        self._seed, self._type_name, self._wrong = seed, type_name, wrong

    def __getitem__(self, name: str) -> Any:
        if name == "_typename":  # the name that Tartiflette uses
            return self._type_name
        return generated(f"{self._seed}.{name}", fields_of(self._type_name)[name].type, self._wrong)

    def __iter__(self) -> Iterator[str]:
        return iter(fields_of(self._type_name))

    def __len__(self) -> int:
        return len(fields_of(self._type_name))


def generated(seed: str, of: Any, wrong: float) -> Any:
    chance = random.Random(seed)
    if chance.random() < wrong:
        return chance.choice([None, None, ValueError("wrong"), BadInput("bad"), object()])
    if graphql.is_non_null_type(of):
        return generated(seed + "!", of.of_type, wrong)
    if graphql.is_list_type(of):
        return [generated(f"{seed}[{index}]", of.of_type, wrong) for index in range(chance.randrange(4))]
    if isinstance(of, GraphQLEnumType):
        return chance.choice(["RED", "GREEN", "RED", "GREEN", "BLUE" if wrong else "RED"])
    if isinstance(of, GraphQLObjectType):
        return GeneratedObject(seed, of.name, wrong)
    if isinstance(of, GraphQLInterfaceType | GraphQLUnionType):
        return GeneratedObject(seed, chance.choice(["Thing", "Other"]), wrong)
    return {
        "String": f"text {chance.random()}",
        "Int": chance.randrange(-(2**31), 2**31),
        "Float": chance.random(),
        "Boolean": chance.random() < 0.5,
        "ID": str(chance.random()),
    }[of.name]


async def member(parent: Any, arguments: Any, context: Any, info: Any) -> Any:
    root = GeneratedObject(context["seed"], "Query", context["wrong"])
    value = (parent if parent is not None else root)[info.field_name]
    if isinstance(value, Exception):
        raise value
    if context["slow"]:
        await asyncio.sleep(0)
    return f"{value} {sorted(arguments.items())}" if arguments and isinstance(value, str) else value


LAZY = ["Thing.lazy", "Thing.lazySure", "Thing.lazyMany", "Thing.lazyText"]
RESOLVERS = dict.fromkeys([*LAZY, *(f"Query.{name}" for name in fields_of("Query"))], member)
ENGINES: dict[str, GraphQLEngine] = {}


async def engine_of(kind: str) -> GraphQLEngine:
    if kind not in ENGINES:
        ENGINES[kind] = await GraphQLEngine.create(
            SDL,
            schema_name="differential",
            resolvers=RESOLVERS,
            concurrent_lists=["Query.things", "Thing.many", "Thing.lazyMany"] if kind == "concurrent" else [],
            on_internal_error=lambda _error: None,
            compiled=kind != "interpreted",
            codecs=SCALARS,
        )
    return ENGINES[kind]


def reference_resolver(coordinate: str) -> Any:
    async def resolve(parent: Any, info: Any, **arguments: Any) -> Any:
        return await RESOLVERS[coordinate](parent, arguments, info.context, info)

    return resolve


for _coordinate in RESOLVERS:
    _type, _field = _coordinate.split(".")
    fields_of(_type)[_field].resolve = reference_resolver(_coordinate)


def reference_member(parent: Any, info: Any, **_arguments: Any) -> Any:
    return parent[info.field_name]


async def reference(source: str, variables: dict[str, Any], context: dict[str, Any]) -> tuple[Any, list[list[Any]]]:
    result = graphql.execute(
        SCHEMA,
        graphql.parse(source),
        variable_values=variables,
        context_value=context,
        field_resolver=reference_member,
        type_resolver=lambda value, _info, _type: value["_typename"],
    )
    if isawaitable(result):
        result = await result
    return result.data, [error.path or [] for error in result.errors or ()]


async def compare(source: str, variables: dict[str, Any], seed: str, *, wrong: float = 0.0, slow: bool = False) -> Any:
    context = {"seed": seed, "wrong": wrong, "slow": slow}
    document = VALIDATOR.validate(source)
    name = next(iter(document.operations))
    answers = {}
    for kind in ("compiled", "interpreted", "concurrent"):
        engine = await engine_of(kind)
        answers[kind] = await engine.execute(document, operation_name=name, variables=variables, context=context)
    assert answers["compiled"] == answers["interpreted"]
    assert list(flat_keys(answers["compiled"])) == list(flat_keys(answers["interpreted"]))
    data, paths = await reference(source, variables, context)
    for answer in answers.values():
        assert answer["data"] == data
        assert bool(answer.get("errors")) == bool(paths)
    return answers["compiled"]


def flat_keys(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            yield from flat_keys(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from flat_keys(inner)


CONDITIONS = """
  query ($yes: Boolean = true, $no: Boolean! = false) {
    thing {
      name @skip(if: $yes)
      s @include(if: $yes)
      i @skip(if: $no) @include(if: $no)
      f @skip(if: false)
      ...F @include(if: $yes)
      ... @skip(if: $yes) { b }
      lazy @include(if: $no) { name }
    }
  }
  fragment F on Thing { id color @skip(if: $no) }
"""

TABLE = [
    "{ thing { name } }",
    "{ a: thing { b: name c: name } thing { name } }",
    "{ thing { ...F } } fragment F on Thing { name i ...G } fragment G on Thing { f b id i }",
    "{ thing { ... on Thing { name } ... on Named { thing { s } } ... { color } } }",
    "{ thing { s } thing { i thing { f } } ...Q } fragment Q on Query { thing { thing { b } } }",
    "{ thing { texts textsSure grid } things { name many { name } manySure { id } } }",
    "{ sure { sure { sure { iSure bSure colorSure } } } }",
    "{ thing { lazy { name lazySure { id lazyMany { lazyText s } } } } }",
    '{ thing { lazyText a: lazyText(prefix: "x") b: lazyText(prefix: "y", color: RED) c: lazyText(color: null) } }',
    "{ things { lazy { name } manySure { lazyText } lazyMany { lazyMany { name } } } }",
    "{ named { name thing { s } __typename ... on Other { other } ... on Thing { i lazy { name } } } }",
    "{ either { __typename ... on Thing { either { ... on Named { name } } } ... on Other { thing { many { s } } } } }",
    "{ thing { named { __typename thing { lazyText } } } }",
    "{ __typename thing { s __typename many { __typename } i } things { __typename } }",
    "{ thing { sure { __typename } manySure { __typename } lazySure { __typename } } }",
    '{ echo(n: 1) a: echo(text: "a", n: 2) b: echo(text: null, n: 3) }',
    "query ($n: Int! = 4, $t: String) { echo(n: $n, text: $t) }",
    CONDITIONS,
    "{ thing @skip(if: true) { name } }",
    "{ thing { name @include(if: false) } }",
    "query Named { thing { name } }",
    '{ __type(name: "Thing") { name fields { name } } thing { name } }',
]


@pytest.mark.parametrize("source", TABLE)
@pytest.mark.parametrize("wrong", [0.0, 0.15], ids=["right", "wrong"])
async def test_every_listed_document_has_the_same_answer(source: str, wrong: float) -> None:
    for seed in range(20):
        await compare(source, {}, f"{source}{seed}", wrong=wrong, slow=seed % 2 == 0)


@pytest.mark.parametrize("yes", [True, False])
@pytest.mark.parametrize("no", [True, False])
async def test_conditions_use_the_variables_of_each_request(yes: bool, no: bool) -> None:
    data = (await compare(CONDITIONS, {"yes": yes, "no": no}, "seed"))["data"]
    assert ("name" in data["thing"], "s" in data["thing"], "lazy" in data["thing"]) == (not yes, yes, no)


async def test_more_conditions_than_cached_plans_have_correct_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bank.graphql.execution.engine.SELECTIONS_MAX", 2)
    source = "query ($a: Boolean! $b: Boolean!) { thing { s @skip(if: $a) i @skip(if: $b) name } }"
    for _ in range(2):
        for a in (True, False):
            for b in (True, False):
                data = (await compare(source, {"a": a, "b": b}, "seed"))["data"]
                assert list(data["thing"]) == [key for key, left in (("s", a), ("i", b), ("name", False)) if not left]


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=150)
@given(from_schema(SDL), st.text("abc", max_size=6), st.sampled_from([0.0, 0.02, 0.2]), st.booleans())
def test_any_document_on_any_data_has_the_same_answer(source: str, seed: str, wrong: float, slow: bool) -> None:
    try:
        VALIDATOR.validate(source)
    except DocumentError:
        assume(False)
    asyncio.run(compare(source, {}, seed, wrong=wrong, slow=slow))


async def test_the_generated_data_is_wrong_in_many_answers() -> None:
    answers = [await compare("{ thing { name i lazy { s } } }", {}, str(seed), wrong=0.2) for seed in range(50)]
    assert 10 < sum("errors" in answer for answer in answers) < 50


async def test_a_concurrent_list_executes_its_items_concurrently() -> None:
    sdl = "type Query { items: [Item!]! } type Item { load: Int! }"
    running, most = 0, 0

    async def items(*_: Any) -> list[dict[str, Any]]:
        return [{} for _ in range(5)]

    async def load(*_: Any) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return 1

    resolvers = {"Query.items": items, "Item.load": load}
    for lists, expected in (["Query.items"], 5), ([], 1):
        most = 0
        engine = await GraphQLEngine.create(
            sdl, schema_name="lists", resolvers=resolvers, concurrent_lists=lists, codecs=SCALARS
        )
        response = await engine.execute(DocumentValidator(sdl, codecs=SCALARS).validate("{ items { load } }"))
        assert response == {"data": {"items": [{"load": 1}] * 5}}
        assert most == expected


async def test_a_cancelled_item_of_a_concurrent_list_cancels_the_request() -> None:
    sdl = "type Query { items: [Item]! } type Item { load: Int }"
    calls = iter(range(5))

    async def items(*_: Any) -> list[dict[str, Any]]:
        return [{} for _ in range(3)]

    async def load(*_: Any) -> int:
        if next(calls) == 1:
            raise asyncio.CancelledError
        return 1

    engine = await GraphQLEngine.create(
        sdl,
        schema_name="cancelled-item",
        resolvers={"Query.items": items, "Item.load": load},
        concurrent_lists=["Query.items"],
        codecs=SCALARS,
    )
    with pytest.raises(asyncio.CancelledError):
        await engine.execute(DocumentValidator(sdl, codecs=SCALARS).validate("{ items { load } }"))


@pytest.mark.parametrize("kind", ["compiled", "interpreted"])
async def test_introspection_gives_the_served_sdl_and_nothing_else(kind: str) -> None:
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
    engine = await engine_of(kind)
    first = await engine.execute(VALIDATOR.validate(query))
    assert "errors" not in first
    client = graphql.lexicographic_sort_schema(graphql.build_client_schema(first["data"]))
    assert graphql.print_schema(client) == graphql.print_schema(graphql.lexicographic_sort_schema(SCHEMA))
    assert await engine.execute(VALIDATOR.validate(query)) == first
