"""A message about input names the field and the type that it wanted, and never repeats a value."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import graphql
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.api.engine import create_engine
from bank.api.scalars import SCALARS
from bank.api.schema import load_sdl
from bank.graphql.execution.engine import GraphQLEngine
from bank.graphql.validation.errors import DocumentError
from bank.graphql.validation.validator import DocumentValidator

SDL = load_sdl()
SCHEMA = graphql.build_schema(SDL)
CANARY = "correct horse battery"
VALID = {
    "String": "text",
    "ID": "1",
    "Int": 1,
    "Boolean": True,
    "Decimal": "1.00",
    "CPF": "52998224725",
    "PhoneNumber": "+5511987654321",
    "AccountNumber": "0001/00000042-4",
    "CurrencyCode": "BRL",
    "Date": "2026-01-01",
    "DateTime": "2026-01-01T00:00:00Z",
}
Path = tuple[str | int, ...]


class EnumName(str):
    """The name of a value of an enum, which a literal has without quotes."""

    __slots__ = ()


UNKNOWN_NAME = EnumName("CORRECT_HORSE_BATTERY")


def valid(kind: Any) -> Any:
    """Return a value that an input type accepts."""
    kind = graphql.get_nullable_type(kind)
    if graphql.is_list_type(kind):
        return [valid(kind.of_type)]
    if graphql.is_input_object_type(kind):
        return {name: valid(field.type) for name, field in kind.fields.items()}
    if graphql.is_enum_type(kind):
        return EnumName(next(iter(kind.values)))
    return VALID[kind.name]


def leaves(kind: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield the path and the type of each scalar and enum in an input type."""
    bare = graphql.get_nullable_type(kind)
    if graphql.is_list_type(bare):
        yield from leaves(bare.of_type, (*path, 0))
    elif graphql.is_input_object_type(bare):
        for name, field in bare.fields.items():
            yield from leaves(field.type, (*path, name))
    else:
        yield path, kind


def with_value(value: Any, path: Path, new: Any) -> Any:
    """Return a copy of a value with another member at a path."""
    if not path:
        return new
    copy: Any = list(value) if isinstance(value, list) else dict(value)
    copy[path[0]] = with_value(value[path[0]], path[1:], new)
    return copy


ARGUMENTS = [
    (f"{kind.name}.{name}.{argument}", kind.name.lower(), name, argument, declared.type)
    for kind in (SCHEMA.query_type, SCHEMA.mutation_type)
    if kind is not None
    for name, field in kind.fields.items()
    for argument, declared in field.args.items()
]


@dataclass(frozen=True)
class Place:
    """A scalar or an enum in an argument of a root field: `declared` is the type of the argument, `leaf` its own."""

    keyword: str
    name: str
    argument: str
    declared: Any
    path: Path
    leaf: Any


PLACES = [
    pytest.param(Place(keyword, name, argument, declared, path, leaf), id=".".join([coordinate, *map(str, path)]))
    for coordinate, keyword, name, argument, declared in ARGUMENTS
    for path, leaf in leaves(declared)
]


def document(keyword: str, name: str, value: str, variables: str = "") -> str:
    return f"{keyword} {variables} {{ {name}({value}) {{ __typename }} }}"


def written(value: Any) -> str:
    """Return a value as a literal."""
    if isinstance(value, dict):
        return "{" + ", ".join(f"{name}: {written(member)}" for name, member in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(written, value)) + "]"
    if isinstance(value, EnumName):
        return value
    return f'"{value}"' if isinstance(value, str) else str(value).lower() if value is not None else "null"


@cache
def validator() -> DocumentValidator:
    return DocumentValidator(SDL, codecs=SCALARS)


_engines: list[GraphQLEngine] = []


@pytest.fixture
async def engine() -> GraphQLEngine:
    # One for all tests, because it takes a second to build.
    if not _engines:
        _engines.append(await create_engine(SDL))
    return _engines[0]


def wrong_values(leaf: Any) -> Iterator[Any]:
    kind = graphql.get_named_type(leaf)
    name = kind.name
    yield {"member": CANARY}
    if graphql.is_enum_type(kind):
        yield UNKNOWN_NAME
    if name not in {"String", "ID"}:
        yield CANARY
    if name not in {"Int", "ID"}:
        yield 271828182
    if graphql.is_non_null_type(leaf):
        yield None


def assert_names(message: str, path: Path, leaf: Any) -> None:
    kind = graphql.get_named_type(leaf)
    names = [step for step in path if isinstance(step, str)]
    # A message about an enum may list its values instead.
    listed = graphql.is_enum_type(kind) and f"its values are {', '.join(kind.values)}." in message
    assert kind.name in message or listed, message
    assert not names or names[-1] in message, message
    assert CANARY not in message
    assert UNKNOWN_NAME not in message
    assert "271828182" not in message


@pytest.mark.parametrize("place", PLACES)
async def test_a_wrong_variable_is_named_with_its_type(engine: GraphQLEngine, place: Place) -> None:
    source = document(place.keyword, place.name, f"{place.argument}: $given", f"($given: {place.declared})")
    for wrong in wrong_values(place.leaf):
        given = with_value(valid(place.declared), place.path, wrong)
        response = await engine.execute(validator().validate(source), variables={"given": given})
        assert "data" not in response
        assert_names(response["errors"][0]["message"], ("$given", *place.path), place.leaf)


@pytest.mark.parametrize("place", PLACES)
def test_a_wrong_literal_is_named_with_its_type(place: Place) -> None:
    for wrong in wrong_values(place.leaf):
        literal = written(with_value(valid(place.declared), place.path, wrong))
        with pytest.raises(DocumentError) as refusal:
            validator().validate(document(place.keyword, place.name, f"{place.argument}: {literal}"))
        [message] = [error["message"] for error in refusal.value.errors]
        assert_names(message, place.path, place.leaf)
        assert f"At {place.name}({place.argument}" in message


@given(scalar=st.sampled_from(sorted(SCALARS)), value=st.text(min_size=9, max_size=40))
def test_a_message_of_a_scalar_never_repeats_the_value(scalar: str, value: str) -> None:
    message = ""
    try:
        SCALARS[scalar].parse(value)
    except ValueError as error:
        message = str(error)
    assert value not in message
    assert not message or scalar in message
