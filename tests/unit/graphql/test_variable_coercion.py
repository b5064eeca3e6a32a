"""Variables and arguments: resolvers get the values of the specification, and an error never repeats a value."""

import asyncio
from typing import Any

import graphql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.api.scalars import SCALARS
from bank.graphql.execution.engine import GraphQLEngine
from bank.graphql.validation.validator import DocumentValidator

SDL = """
scalar CPF
scalar Decimal

type Query {
  take(given: Given, list: [Given!], kind: Kind = SMALL, ids: [ID!]! = ["a"], count: Int! = 20, text: String): String
  need(given: Given!): String
}

input Given {
  name: String!
  cpf: CPF
  amount: Decimal
  number: Int
  ratio: Float
  flag: Boolean! = true
  kind: Kind
  kinds: [Kind!] = [LARGE]
  id: ID
  tags: [[String]!]
  inner: Given
}

enum Kind { SMALL LARGE }
"""

VALIDATOR = DocumentValidator(SDL, codecs=SCALARS)
NEED = "query ($given: Given!) { need(given: $given) }"
seen: list[dict[str, Any]] = []
engines: dict[bool, GraphQLEngine] = {}


async def take(_parent: Any, arguments: Any, _context: Any, _info: Any) -> str:
    seen.append(arguments)
    return "taken"


async def run(source: str, variables: dict[str, Any] | None = None, *, compiled: bool = True) -> dict[str, Any]:
    if compiled not in engines:
        engines[compiled] = await GraphQLEngine.create(
            SDL,
            schema_name="variables",
            resolvers={"Query.take": take, "Query.need": take},
            compiled=compiled,
            codecs=SCALARS,
        )
    seen.clear()
    return await engines[compiled].execute(VALIDATOR.validate(source), variables=variables)


@pytest.fixture(params=[True, False], ids=["compiled", "interpreted"])
def compiled(request: pytest.FixtureRequest) -> bool:
    return bool(request.param)


DEFAULTS = {"kind": "SMALL", "ids": ["a"], "count": 20}


@pytest.mark.parametrize(
    ("source", "variables", "expected"),
    [
        ("{ take }", {}, DEFAULTS),
        ("{ take(count: 3, kind: LARGE, ids: []) }", {}, {"kind": "LARGE", "ids": [], "count": 3}),
        ('{ take(ids: "b", kind: null, text: null) }', {}, {"kind": None, "ids": ["b"], "count": 20, "text": None}),
        ("query ($n: Int) { take(count: $n) }", {}, DEFAULTS),
        ("query ($n: Int) { take(count: $n) }", {"n": 4}, {**DEFAULTS, "count": 4}),
        ("query ($n: Int! = 5) { take(count: $n) }", {}, {**DEFAULTS, "count": 5}),
        ("query ($t: String) { take(text: $t) }", {}, DEFAULTS),
        ("query ($t: String) { take(text: $t) }", {"t": None}, {**DEFAULTS, "text": None}),
        ("query ($t: String = null) { take(text: $t) }", {}, {**DEFAULTS, "text": None}),
        ('query ($t: String = "x") { take(text: $t) }', {"unknown": 1}, {**DEFAULTS, "text": "x"}),
        ("query ($k: Kind = LARGE) { take(kind: $k) }", {}, {**DEFAULTS, "kind": "LARGE"}),
        ("query ($k: Kind) { take(kind: $k) }", {}, DEFAULTS),
        ("query ($i: [ID!]!) { take(ids: $i) }", {"i": ["x", 2]}, {**DEFAULTS, "ids": ["x", "2"]}),
        ("query ($i: [ID!]!) { take(ids: $i) }", {"i": "x"}, {**DEFAULTS, "ids": ["x"]}),
        ('query ($i: ID!) { take(ids: ["a", $i]) }', {"i": "b"}, {**DEFAULTS, "ids": ["a", "b"]}),
    ],
)
async def test_arguments_come_from_literals_variables_and_defaults(
    source: str, variables: dict[str, Any], expected: dict[str, Any], compiled: bool
) -> None:
    assert await run(source, variables, compiled=compiled) == {"data": {"take": "taken"}}
    assert seen == [expected]


GIVEN = {"flag": True, "kinds": ["LARGE"]}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"name": "a"}, {"name": "a", **GIVEN}),
        ({"name": "a", "cpf": "529.982.247-25"}, {"name": "a", "cpf": "52998224725", **GIVEN}),
        ({"name": "a", "number": 1.0, "ratio": 1}, {"name": "a", "number": 1, "ratio": 1.0, **GIVEN}),
        ({"name": "a", "cpf": None, "kinds": None}, {"name": "a", "cpf": None, "flag": True, "kinds": None}),
        ({"name": "a", "kinds": "SMALL"}, {"name": "a", "flag": True, "kinds": ["SMALL"]}),
        ({"name": "a", "tags": [["x", None], []]}, {"name": "a", "tags": [["x", None], []], **GIVEN}),
        (
            {"name": "a", "inner": {"name": "b", "inner": {"name": "c"}}},
            {"name": "a", "inner": {"name": "b", "inner": {"name": "c", **GIVEN}, **GIVEN}, **GIVEN},
        ),
    ],
)
async def test_input_objects_are_coerced_at_every_depth(
    value: dict[str, Any], expected: dict[str, Any], compiled: bool
) -> None:
    assert await run(NEED, {"given": value}, compiled=compiled) == {"data": {"need": "taken"}}
    assert seen == [{"given": expected}]


async def test_input_objects_in_literals_are_coerced_like_variables(compiled: bool) -> None:
    source = 'query ($n: String!) { need(given: {name: $n, cpf: "529.982.247-25", inner: {name: "b", kind: SMALL}}) }'
    assert await run(source, {"n": "a"}, compiled=compiled) == {"data": {"need": "taken"}}
    inner = {"name": "b", "kind": "SMALL", **GIVEN}
    assert seen == [{"given": {"name": "a", "cpf": "52998224725", "inner": inner, **GIVEN}}]


async def test_a_change_of_arguments_by_a_resolver_ends_with_the_request(compiled: bool) -> None:
    for source in ("{ take }", '{ take(ids: ["a"]) }', 'query ($i: [ID!]! = ["a"]) { take(ids: $i) }'):
        await run(source, compiled=compiled)
        seen[0]["ids"].append("changed")
        await run(source, compiled=compiled)
        assert seen[0]["ids"] == ["a"]
    await run(NEED, {"given": {"name": "a"}}, compiled=compiled)
    seen[0]["given"]["kinds"].append("changed")
    await run(NEED, {"given": {"name": "a"}}, compiled=compiled)
    assert seen[0]["given"]["kinds"] == ["LARGE"]


async def test_variables_of_the_client_are_not_changed(compiled: bool) -> None:
    variables = {"given": {"name": "a", "cpf": "529.982.247-25", "kinds": "SMALL"}}
    await run(NEED, variables, compiled=compiled)
    assert variables == {"given": {"name": "a", "cpf": "529.982.247-25", "kinds": "SMALL"}}


SECRET = "hunter2"
MISSING = "Variable $given was not provided; its type is Given!."


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, MISSING),
        ({"given": None}, "Variable $given must not be null; its type is Given!."),
        ({"given": SECRET}, "Variable $given is not an object of type Given."),
        ({"given": [SECRET]}, "Variable $given is not an object of type Given."),
        ({"given": {}}, "Variable $given.name was not provided; its type is String!."),
        ({"given": {"name": None}}, "Variable $given.name must not be null; its type is String!."),
        ({"given": {"name": {SECRET: 1}}}, "Variable $given.name is not of type String."),
        (
            {"given": {"name": "a", SECRET * 6: 1}},
            "Variable $given has a field that Given does not have; its fields are name, cpf, amount, number, ratio, ",
        ),
        ({"given": {"name": "a", f"a {SECRET}": 1}}, "Variable $given has a field that Given does not have; its"),
        ({"given": {"name": "a", "cpf": SECRET}}, "Variable $given.cpf is not accepted: A CPF has eleven digits"),
        ({"given": {"name": "a", "cpf": 52998224725}}, "Variable $given.cpf is not accepted: CPF is given"),
        ({"given": {"name": "a", "amount": 10.5}}, "Variable $given.amount is not accepted: Decimal is"),
        ({"given": {"name": "a", "number": SECRET}}, "Variable $given.number is not of type Int."),
        ({"given": {"name": "a", "number": 2**31}}, "Variable $given.number is out of range for an Int,"),
        ({"given": {"name": "a", "number": -(2**31) - 1}}, "Variable $given.number is out of range for an Int,"),
        ({"given": {"name": "a", "number": 10**400}}, "Variable $given.number is out of range for an Int,"),
        ({"given": {"name": "a", "number": 1e300}}, "Variable $given.number is out of range for an Int,"),
        ({"given": {"name": "a", "number": True}}, "Variable $given.number is not of type Int."),
        ({"given": {"name": "a", "number": 1.5}}, "Variable $given.number is not a whole number, as an Int is."),
        ({"given": {"name": "a", "number": float("nan")}}, "Variable $given.number is not a whole number,"),
        ({"given": {"name": "a", "ratio": float("inf")}}, "Variable $given.ratio is a number that a Float does"),
        ({"given": {"name": "a", "ratio": 10**400}}, "Variable $given.ratio is a number that a Float does"),
        ({"given": {"name": "a", "ratio": 2**53 + 1}}, "Variable $given.ratio is a number that a Float does"),
        ({"given": {"name": "a", "ratio": True}}, "Variable $given.ratio is not of type Float."),
        ({"given": {"name": "a", "id": True}}, "Variable $given.id is not of type ID."),
        ({"given": {"name": "a", "flag": 1}}, "Variable $given.flag is not of type Boolean."),
        ({"given": {"name": "a", "flag": None}}, "Variable $given.flag must not be null; its type is Boolean!."),
        ({"given": {"name": "a", "kind": SECRET}}, "Variable $given.kind is not a value of Kind; its values are LAR"),
        ({"given": {"name": "a", "kind": "smal"}}, "Variable $given.kind is not a value of Kind; did you mean SMALL?"),
        ({"given": {"name": "a", "kind": ["SMALL"]}}, "Variable $given.kind is not a value of Kind;"),
        ({"given": {"name": "a", "kinds": ["SMALL", None]}}, "Variable $given.kinds[1] must not be null; its type"),
        ({"given": {"name": "a", "tags": [["x", 1]]}}, "Variable $given.tags[0][1] is not of type String."),
        ({"given": {"name": "a", "id": 1.5}}, "Variable $given.id is not of type ID."),
        ({"given": {"name": "a\0"}}, "Variable $given.name holds a control character, which a"),
        ({"given": {"name": "a", "id": "\x1b[2J"}}, "Variable $given.id holds a control character, which a"),
        ({"given": {"name": "\ud800"}}, "Variable $given.name holds a control character, which a"),
        ({"given": {"name": "a", "inner": {"name": "b", "inner": {}}}}, "Variable $given.inner.inner.name was not"),
    ],
)  # fmt: skip
async def test_an_invalid_variable_is_refused_with_its_path_before_the_execution(
    variables: dict[str, Any], message: str, compiled: bool
) -> None:
    response = await run(NEED, variables, compiled=compiled)
    assert "data" not in response
    assert seen == []
    assert [error["message"][: len(message)] for error in response["errors"]] == [message]
    assert response["errors"][0]["extensions"]["code"] == "BAD_INPUT"
    assert response["errors"][0]["locations"] == [{"line": 1, "column": 8}]
    assert SECRET not in str(response)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"nmae": "a"}, "Variable $given has a field nmae, which Given does not have; did you mean name?"),
        ({"AMOUNT": 1}, "Variable $given has a field AMOUNT, which Given does not have; did you mean amount?"),
        ({"tag": 1}, "Variable $given has a field tag, which Given does not have; did you mean tags?"),
        (
            {"name": "a", "inner": {"name": "b", "inner": {"name": "c", "in_ner": 1}}},
            "Variable $given.inner.inner has a field in_ner, which Given does not have; did you mean inner?",
        ),
        (
            {"name": "a", "529.982.247-25": 1, "zzz": 1},
            "Variable $given has a field zzz, which Given does not have; its fields are name, cpf, amount, number, "
            "ratio, flag, kind, kinds, id, tags, inner.",
        ),
    ],
)
async def test_an_unknown_field_is_reported_with_the_nearest_known_one(
    given: dict[str, Any], message: str, compiled: bool
) -> None:
    response = await run(NEED, {"given": given}, compiled=compiled)
    assert [error["message"] for error in response["errors"]] == [message]


@pytest.mark.parametrize(
    ("field", "value", "number"),
    [
        ("number", 1.0, 1),
        ("number", -0.0, 0),
        ("number", -(2**31), -(2**31)),
        ("ratio", 2**53, 2.0**53),
        ("ratio", 1, 1.0),
    ],
)
async def test_a_number_with_another_spelling_of_the_same_value_is_accepted(
    field: str, value: float, number: float, compiled: bool
) -> None:
    response = await run(NEED, {"given": {"name": "a", field: value}}, compiled=compiled)
    assert "errors" not in response
    assert (seen[0]["given"][field], type(seen[0]["given"][field])) == (number, type(number))


async def test_an_unknown_field_in_a_list_is_named_with_its_index(compiled: bool) -> None:
    query = "query ($list: [Given!]) { take(list: $list) }"
    response = await run(query, {"list": [{"name": "a"}, {"name": "b", "falg": True}]}, compiled=compiled)
    message = "Variable $list[1] has a field falg, which Given does not have; did you mean flag?"
    assert [error["message"] for error in response["errors"]] == [message]


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"gvien": {}},
            f"{MISSING} The operation declares no variable $gvien.",
        ),
        (
            {"input": {}},
            f"{MISSING} The operation declares no variable $input.",
        ),
        ({"529.982.247-25": {}}, MISSING),
        ({"other": {}, "x" * 41: 1, f"given {SECRET}": 1}, MISSING),
        ({f"v{number}": 1 for number in range(10_000)}, MISSING),
    ],
)
async def test_an_undeclared_variable_is_named(variables: dict[str, Any], message: str, compiled: bool) -> None:
    response = await run(NEED, variables, compiled=compiled)
    assert [error["message"] for error in response["errors"]] == [message]


async def test_a_null_variable_for_an_argument_with_a_default_is_refused_at_its_use(compiled: bool) -> None:
    response = await run('query ($n: Int) { take(count: $n) need(given: {name: "a"}) }', {"n": None}, compiled=compiled)
    assert response["data"] == {"take": None, "need": "taken"}
    assert [error["message"] for error in response["errors"]] == ["Argument count must not be null."]
    assert response["errors"][0]["path"] == ["take"]
    assert response["errors"][0]["extensions"]["code"] == "BAD_INPUT"


async def test_variables_nested_too_deeply_are_refused() -> None:
    value: dict[str, Any] = {"name": "a"}
    for _ in range(5_000):
        value = {"name": "a", "inner": value}
    response = await run(NEED, {"given": value})
    assert response["errors"][0]["message"] == "Variable $given is nested too deeply."


async def test_a_null_condition_is_refused() -> None:
    source = "query ($if: Boolean = true) { take @include(if: $if) }"
    response = await run(source, {"if": None})
    assert response["errors"][0]["message"] == "The condition of @include must not be null."
    assert "data" not in response


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["name", "cpf", "number", "kind", "tags", "inner", "other"]), inner, max_size=4
        )
    ),
    max_leaves=12,
)
REFERENCE = graphql.build_schema(SDL.replace(": CPF", ": String").replace(": Decimal", ": String"))


@given(JSON)
def test_any_json_is_accepted_or_refused_as_graphql_core_does(value: Any) -> None:
    variables = {"given": value}
    expected = graphql.graphql_sync(REFERENCE, NEED, variable_values=variables)
    response = asyncio.run(run(NEED, variables))
    if expected.errors:
        assert response["errors"]
    elif "errors" in response:
        message = response["errors"][0]["message"]
        assert "control character" in message or ".cpf is not accepted" in message
