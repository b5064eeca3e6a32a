"""The responses of the engine: values, errors without internal details, cancellation."""

import asyncio
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.api.scalars import SCALARS
from bank.errors import BadInput, BankError, Forbidden, OutcomeUnknown, Overloaded, Unauthenticated, Unavailable
from bank.graphql.execution.engine import GraphQLEngine
from bank.graphql.validation.validator import DocumentValidator
from bank.money import Money
from bank.telemetry.context import RequestContext, enter_context

SDL = """
scalar Decimal
scalar DateTime
scalar CPF
scalar AccountNumber
scalar CurrencyCode

type Query {
  say(text: String!): String!
  told: [String!]
  fail(how: String): Thing
  thing: Thing
  count(first: Int! = 20, after: String): String
  given(input: Given, list: [Given!], kind: Kind = SMALL, ids: [ID!]! = ["a"]): String
  values(decimal: Decimal, dateTime: DateTime, cpf: CPF, accountNumber: AccountNumber, currency: CurrencyCode): Values
}

type Mutation { first: Int! second: Int! third: Int }

type Thing { name: String! things: [Thing!] more: Thing sure: Thing! }

type Values {
  decimal: Decimal
  dateTime: DateTime
  cpf: CPF
  accountNumber: AccountNumber
  currency: CurrencyCode
  kind: Kind
  int: Int
}

input Given {
  name: String!
  cpf: CPF
  number: Int
  flag: Boolean! = true
  kind: Kind
  tags: [String!]
  inner: Given
  opening: [Int!] = [1, 2]
}

enum Kind { SMALL LARGE }
"""

VALIDATOR = DocumentValidator(SDL, codecs=SCALARS)
CPF = "52998224725"


class ResolverBehaviour:
    """The behaviour of the resolvers and a record of their calls, reset by every test."""

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.seen: list[Any] = []
        self.internal: list[BaseException] = []
        self.error: BaseException | None = None
        self.value: Any = None
        self.order: list[str] = []


BEHAVIOUR = ResolverBehaviour()
engines: dict[bool, GraphQLEngine] = {}


async def say(_parent: Any, arguments: Any, _context: Any, _info: Any) -> Any:
    return arguments["text"]


async def fail(*_: Any) -> None:
    assert BEHAVIOUR.error is not None
    raise BEHAVIOUR.error


async def see(_parent: Any, arguments: Any, context: Any, _info: Any) -> Any:
    BEHAVIOUR.seen.append((arguments, context))
    return BEHAVIOUR.value


def mutation(name: str, value: Any) -> Any:
    async def resolve(*_: Any) -> Any:
        BEHAVIOUR.order.append(f"{name} begins")
        await asyncio.sleep(0)
        BEHAVIOUR.order.append(f"{name} ends")
        if isinstance(value, Exception):
            raise value
        return value

    return resolve


RESOLVERS = {
    "Query.say": say,
    "Query.fail": fail,
    **{f"Query.{name}": see for name in ("told", "thing", "count", "given", "values")},
    "Mutation.first": mutation("first", 1),
    "Mutation.second": mutation("second", 2),
    "Mutation.third": mutation("third", BadInput("no third")),
}


async def engine_of(*, compiled: bool = True) -> GraphQLEngine:
    if compiled not in engines:
        engines[compiled] = await GraphQLEngine.create(
            SDL,
            schema_name="bench",
            resolvers=RESOLVERS,
            on_internal_error=lambda error: BEHAVIOUR.internal.append(error),  # noqa: PLW0108 - each test has its own list
            compiled=compiled,
            codecs=SCALARS,
        )
    return engines[compiled]


@pytest.fixture
def behaviour() -> ResolverBehaviour:
    BEHAVIOUR.begin()
    return BEHAVIOUR


@pytest.fixture(params=[True, False], ids=["compiled", "interpreted"])
def compiled(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


async def run(source: str, *, compiled: bool = True, **variables: Any) -> dict[str, Any]:
    engine = await engine_of(compiled=compiled)
    return await engine.execute(VALIDATOR.validate(source), variables=variables, context="the context")


async def test_a_resolver_gets_arguments_and_context_and_its_result_is_the_answer(
    behaviour: ResolverBehaviour, compiled: bool
) -> None:
    behaviour.value = {"name": "outer", "things": [{"name": "inner"}], "more": None, "unasked": object()}
    response = await run("{ thing { again: name things { name } more { name } __typename } }", compiled=compiled)
    expected = {"again": "outer", "things": [{"name": "inner"}], "more": None, "__typename": "Thing"}
    assert response == {"data": {"thing": expected}}
    assert list(response["data"]["thing"]) == ["again", "things", "more", "__typename"]
    assert behaviour.seen == [({}, "the context")]


@given(st.text(st.characters(exclude_categories=("Cs", "Cc"))))
def test_any_text_in_a_literal_reaches_the_resolver_unchanged(text: str) -> None:
    escaped = "".join(f"\\u{{{ord(character):x}}}" for character in text)
    for written in (escaped, text.replace("\\", "\\\\").replace('"', '\\"')):
        response = asyncio.run(run(f'{{ say(text: "{written}") }}'))
        assert response == {"data": {"say": text}}


async def test_block_strings_and_escaped_line_ends_reach_the_resolver(
    behaviour: ResolverBehaviour, compiled: bool
) -> None:
    source = '{ a: say(text: """\n  one "1"\n    two\n""") b: say(text: "\\t\\n\\r\\/\\\\\\"") }'
    assert await run(source, compiled=compiled) == {"data": {"a": 'one "1"\n  two', "b": '\t\n\r/\\"'}}


# --- errors


@pytest.mark.parametrize(
    ("error", "code", "retryable"),
    [
        (Unauthenticated("say who"), "UNAUTHENTICATED", False),
        (Forbidden("not you"), "FORBIDDEN", False),
        (BadInput("not that"), "BAD_INPUT", False),
        (Overloaded("full"), "OVERLOADED", True),
        (OutcomeUnknown("who knows"), "OUTCOME_UNKNOWN", True),
        (Unavailable("away"), "UNAVAILABLE", True),
    ],
)
async def test_a_bank_error_has_its_code_and_sentence(
    behaviour: ResolverBehaviour, error: BankError, code: str, retryable: bool, compiled: bool
) -> None:
    enter_context(RequestContext(correlation_id="c-1"))
    behaviour.error = error
    response = await run('{ fail { name } say(text: "on") }', compiled=compiled)
    assert response == {
        "data": {"fail": None, "say": "on"},
        "errors": [
            {
                "message": error.message,
                "path": ["fail"],
                "locations": [{"line": 1, "column": 3}],
                "extensions": {"code": code, "correlationId": "c-1", "retryable": retryable},
            }
        ],
    }
    assert behaviour.internal == []


async def test_one_error_raised_by_two_fields_has_two_paths(behaviour: ResolverBehaviour, compiled: bool) -> None:
    behaviour.error = BadInput("the same instance")
    response = await run("{ a: fail { name } b: fail { name } }", compiled=compiled)
    assert [entry["path"] for entry in response["errors"]] == [["a"], ["b"]]


@pytest.mark.parametrize("secret", [ValueError("hunter2"), KeyError("hunter2"), RuntimeError("select hunter2")])
async def test_an_unexpected_exception_is_an_internal_error_without_details(
    behaviour: ResolverBehaviour, secret: Exception, compiled: bool
) -> None:
    behaviour.error = secret
    response = await run("{ fail { name } }", compiled=compiled)
    assert response["data"] == {"fail": None}
    assert response["errors"][0]["message"] == "Internal error"
    assert response["errors"][0]["extensions"]["code"] == "INTERNAL"
    assert "hunter2" not in str(response)
    assert behaviour.internal == [secret]
    assert behaviour.internal[0].__traceback__ is not None


async def test_a_tartiflette_error_of_a_resolver_is_unexpected_too(
    behaviour: ResolverBehaviour, compiled: bool
) -> None:
    from tartiflette.types.exceptions.tartiflette import TartifletteError

    behaviour.error = TartifletteError("hunter2", user_message="hunter2", extensions={"password": "hunter2"})
    response = await run("{ fail { name } }", compiled=compiled)
    assert "hunter2" not in str(response)
    assert [str(error) for error in behaviour.internal] == ["hunter2"]


@pytest.mark.parametrize(
    ("value", "data", "path"),
    [
        ({"name": None}, None, ["thing", "name"]),
        ({"name": "a", "things": [{"name": "b"}, {"name": None}]}, None, ["thing", "things", 1, "name"]),
        ({}, None, ["thing", "name"]),
        ("no mapping", None, ["thing", "name"]),
        ({"name": "a", "things": "no list"}, "things", ["thing", "things"]),
        ({"name": "a", "things": [None]}, "things", ["thing", "things", 0]),
        (ValueError("returned"), None, ["thing"]),
        ({"name": ValueError("returned")}, None, ["thing", "name"]),
    ],
)
async def test_a_value_of_a_wrong_type_nulls_the_nearest_nullable_field(
    behaviour: ResolverBehaviour, value: Any, data: Any, path: list[Any], compiled: bool
) -> None:
    behaviour.value = value
    source = "{ thing { name things { name } } }" if data or "things" in path else "{ thing { name } }"
    response = await run(source, compiled=compiled)
    if data is None and "things" in path:
        assert response["data"] == {"thing": {"name": "a", "things": None}}
    else:
        assert response["data"] == {"thing": {"name": "a", "things": None} if data else None}
    assert len(behaviour.seen) == 1, "a resolver is never asked twice, however its value is completed"
    assert [error["path"] for error in response["errors"]] == [path]
    assert response["errors"][0]["message"] == "Internal error"
    assert len(behaviour.internal) == 1


@pytest.mark.parametrize("value", ["abc", ("a", "b"), {"a": 1}, iter(["a"])])
async def test_a_value_that_is_not_a_list_is_an_error_of_a_list_field(
    behaviour: ResolverBehaviour, value: Any, compiled: bool
) -> None:
    behaviour.value = value
    response = await run("{ told }", compiled=compiled)
    assert response["data"] == {"told": None}
    assert response["errors"][0]["extensions"]["code"] == "INTERNAL"


async def test_a_value_that_is_not_a_str_is_an_error_of_a_string_field(
    behaviour: ResolverBehaviour, compiled: bool
) -> None:
    behaviour.value = [object()]
    response = await run("{ told }", compiled=compiled)
    assert response["data"] == {"told": None}
    assert "object at" not in str(response)


async def test_mutations_run_in_sequence_and_a_failed_one_does_not_stop_the_others(
    behaviour: ResolverBehaviour, compiled: bool
) -> None:
    response = await run("mutation { third second first }", compiled=compiled)
    assert response["data"] == {"third": None, "second": 2, "first": 1}
    names = ["third", "second", "first"]
    assert behaviour.order == [f"{name} {what}" for name in names for what in ("begins", "ends")]


# --- cancellation


async def test_a_cancelled_error_of_a_resolver_is_never_data(behaviour: ResolverBehaviour, compiled: bool) -> None:
    behaviour.error = asyncio.CancelledError()
    with pytest.raises(asyncio.CancelledError):
        await run('{ fail { name } say(text: "x") }', compiled=compiled)


# --- scalars in answers


@pytest.mark.parametrize(
    ("field", "value", "shown"),
    [
        ("decimal", Money(1050, "BRL"), "10.50"),
        ("decimal", "10.50", "10.50"),
        ("dateTime", datetime(2026, 11, 22, 16, 3, tzinfo=UTC), "2026-11-22T16:03:00.000000Z"),
        ("dateTime", datetime(2026, 1, 1, 1, tzinfo=timezone(timedelta(hours=3))), "2025-12-31T22:00:00.000000Z"),
        ("cpf", CPF, "529.982.247-25"),
        ("accountNumber", "0001/00000042-4", "0001/00000042-4"),
        ("currency", "BRL", "BRL"),
        ("kind", "LARGE", "LARGE"),
        ("int", 2**31 - 1, 2**31 - 1),
        ("int", None, None),
        ("decimal", None, None),
    ],
)
async def test_scalars_are_serialised_in_their_form(
    behaviour: ResolverBehaviour, field: str, value: Any, shown: Any, compiled: bool
) -> None:
    behaviour.value = {field: value}
    assert await run(f"{{ values {{ {field} }} }}", compiled=compiled) == {"data": {"values": {field: shown}}}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("decimal", 10.5),
        ("decimal", 10),
        ("dateTime", datetime(2026, 1, 1)),  # noqa: DTZ001 - on purpose: it has no zone
        ("dateTime", "2026-01-01T00:00:00Z"),
        ("cpf", "1234"),
        ("cpf", 52998224725),
        ("accountNumber", 1),
        ("currency", None.__class__),
        ("kind", "HUGE"),
        ("kind", ["LARGE"]),
        ("int", 2**31),
        ("int", "ten"),
        ("int", 1.5),
    ],
)
async def test_an_invalid_result_of_a_scalar_is_an_internal_error(
    behaviour: ResolverBehaviour, field: str, value: Any, compiled: bool
) -> None:
    behaviour.value = {field: value}
    response = await run(f"{{ values {{ {field} }} }}", compiled=compiled)
    assert response["data"] == {"values": {field: None}}
    assert response["errors"][0]["extensions"]["code"] == "INTERNAL"
