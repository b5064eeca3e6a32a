"""The served SDL is valid and complete, and all its parsers agree."""

import asyncio
from collections.abc import Iterator
from typing import Any

import graphql
import pytest
from graphql import GraphQLInputObjectType, GraphQLObjectType, GraphQLScalarType, get_introspection_query
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import from_schema, nodes

import contracts
from bank.api.scalars import SCALARS
from bank.api.schema import load_sdl
from bank.errors import BankError
from bank.graphql.execution.engine import GraphQLEngine
from bank.graphql.execution.schema_builder import parse_document
from bank.graphql.validation.errors import DocumentError
from bank.graphql.validation.validator import DocumentValidator

SDL = load_sdl()
SCHEMA = graphql.build_schema(SDL)
BUILT_IN = {"Int", "Float", "String", "Boolean", "ID"}
OPERATIONS = sorted(file.name for file in contracts.OPERATIONS.iterdir() if file.name.endswith(".graphql"))


def own_types() -> list[graphql.GraphQLNamedType]:
    return [definition for name, definition in SCHEMA.type_map.items() if not name.startswith("__")]


def test_the_sdl_consists_of_every_file_of_the_contract_in_a_stable_order() -> None:
    files = sorted(file.name for file in contracts.SCHEMA.iterdir() if file.name.endswith(".graphql"))
    texts = [(contracts.SCHEMA / name).read_text(encoding="utf-8") for name in files]
    assert "\n".join(texts) == SDL == load_sdl()
    assert len(files) >= 5


def test_the_schema_is_valid() -> None:
    assert graphql.validate_schema(SCHEMA) == []


def test_every_directive_in_the_sdl_is_known_to_the_engine() -> None:
    used = {
        node.name.value
        for definition in graphql.parse(SDL).definitions
        for node in directives_in(definition)
    }  # fmt: skip
    assert used <= {"deprecated", "specifiedBy"}


def directives_in(node: graphql.Node) -> list[graphql.DirectiveNode]:
    found: list[graphql.DirectiveNode] = []

    class Collect(graphql.Visitor):
        def enter_directive(self, node: graphql.DirectiveNode, *_: object) -> None:
            found.append(node)

    graphql.visit(node, Collect())
    return found


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_of_the_contract_is_valid_and_named_like_its_file(name: str) -> None:
    document = graphql.parse((contracts.OPERATIONS / name).read_text(encoding="utf-8"))
    assert graphql.validate(SCHEMA, document) == []
    (definition,) = document.definitions
    assert isinstance(definition, graphql.OperationDefinitionNode)
    assert definition.name is not None
    assert f"{definition.name.value}.graphql" == name


def test_every_scalar_has_a_form() -> None:
    scalars = {definition.name for definition in own_types() if isinstance(definition, GraphQLScalarType)}
    assert scalars - BUILT_IN == set(SCALARS)


def test_money_is_never_a_float() -> None:
    for definition in own_types():
        if isinstance(definition, GraphQLObjectType | GraphQLInputObjectType):
            for field in definition.fields.values():
                assert graphql.get_named_type(field.type).name != "Float"


def test_page_sizes_cannot_be_null() -> None:
    """An explicit null overrides a default: `first: Int = 20` could be null."""
    for definition in own_types():
        if isinstance(definition, GraphQLObjectType):
            for field in definition.fields.values():
                if "first" in field.args:
                    assert graphql.is_non_null_type(field.args["first"].type)


async def nothing(*_: object) -> None:
    raise BankError("not asked for")


async def engine() -> GraphQLEngine:
    roots = [root for root in (SCHEMA.query_type, SCHEMA.mutation_type, SCHEMA.subscription_type) if root]
    resolvers = {f"{root.name}.{field}": nothing for root in roots for field in root.fields}
    return await GraphQLEngine.create(SDL, schema_name="contract", resolvers=resolvers, codecs=SCALARS)


VALIDATOR = DocumentValidator(SDL, codecs=SCALARS)
READER = asyncio.run(engine())

# Values for the scalars of the contract. Most of them are valid, so that documents pass the validation.
VALUES = {
    "AccountNumber": ["0001/00000042-4"],
    "CPF": ["529.982.247-25"],
    "CurrencyCode": ["BRL"],
    "Decimal": ["10.50", "-0.01"],
    "Date": ["2026-11-22"],
    "DateTime": ["2026-11-22T16:03:00Z"],
}
DOCUMENTS = from_schema(
    SDL, custom_scalars={name: st.sampled_from(values).map(nodes.String) for name, values in VALUES.items()}
)


@settings(suppress_health_check=list(HealthCheck), deadline=None, max_examples=100)
@given(DOCUMENTS)
def test_tartiflette_can_parse_every_valid_document(source: str) -> None:
    try:
        document = VALIDATOR.validate(source)
    except DocumentError:
        assume(False)
    parsed = parse_document(READER._engine, document.text)
    assert len(parsed.definitions) == len(graphql.parse(source).definitions)


@pytest.mark.parametrize(
    "source",
    [
        "query ( $ id : ID ! ) { account ( id : $ id ) { id } }",
        "query($\nid\n:ID!){account(id:$\n#c\nid){id}}",
        "{me{id@include(if:true)@skip(if:false)}}",
        "{me{id @ include ( if : true )}}",
        "{...F}fragment F on Query{...on Query{me{id}}}",
        "{... on Query{... @include(if:true){me{id}}}}",
        '{account(id:"\\u007b\\"}"){id}}',
        '{account(id:"""}"""){id}}',
        '{account(id:"#"){id}}#}',
        "{account(id:-0){id}b:account(id:1234567890123456789012){id}}",
        "query on{me{id}}",
        "{query:me{fragment:id mutation:email on:role}}",
        "query($a:ID!,){account(id:$a,){id,},}",
        "\ufeff{me{id}}",
        "{me{id}}\r\n#x\r#y",
    ],
)
def test_tartiflette_parses_unusual_documents(source: str) -> None:
    assert parse_document(READER._engine, VALIDATOR.validate(source).text).definitions


async def test_introspection_through_the_engine_gives_the_contract_and_nothing_else() -> None:
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
    response = await (await engine()).execute(DocumentValidator(SDL, codecs=SCALARS).validate(query))
    assert "errors" not in response
    client = graphql.build_client_schema(response["data"])
    assert graphql.print_schema(graphql.lexicographic_sort_schema(client)) == graphql.print_schema(
        graphql.lexicographic_sort_schema(SCHEMA)
    )


def elements(schema: dict[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Return the coordinate and the description of every element of the introspection, except its own types."""
    for kind in schema["types"]:
        if kind["name"].startswith("__"):
            continue
        yield kind["name"], kind["description"]
        for member in [*(kind["fields"] or ()), *(kind["inputFields"] or ()), *(kind["enumValues"] or ())]:
            coordinate = f"{kind['name']}.{member['name']}"
            yield coordinate, member["description"]
            for argument in member.get("args", ()):
                yield f"{coordinate}({argument['name']}:)", argument["description"]
    for directive in schema["directives"]:
        yield f"@{directive['name']}", directive["description"]
        for argument in directive["args"]:
            yield f"@{directive['name']}({argument['name']}:)", argument["description"]


async def test_every_element_of_the_schema_has_a_description() -> None:
    response = await (await engine()).execute(
        DocumentValidator(SDL, codecs=SCALARS).validate(get_introspection_query())
    )
    described = dict(elements(response["data"]["__schema"]))
    assert {"Account.statement(first:)", "MoneyInput.amount", "Role.ADMIN", "@skip(if:)", "CPF"} <= described.keys()
    assert [coordinate for coordinate, text in described.items() if not text or not text.strip()] == []


@pytest.mark.parametrize("name", OPERATIONS)
async def test_every_operation_of_the_contract_runs(name: str) -> None:
    """The resolvers only fail, so that only the execution up to them is tested."""
    source = (contracts.OPERATIONS / name).read_text(encoding="utf-8")
    response = await (await engine()).execute(DocumentValidator(SDL, codecs=SCALARS).validate(source), variables={})
    messages = {error["message"] for error in response["errors"]}
    assert messages == {"not asked for"} or all("was not provided" in message for message in messages)
