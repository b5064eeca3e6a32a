"""Limits of documents: each limit may be reached but not exceeded, also with fragments and introspection."""

import dataclasses
from collections.abc import Callable

import pytest

from bank.api.scalars import SCALARS
from bank.api.schema import load_sdl
from bank.graphql.validation.limits import DocumentLimits
from bank.graphql.validation.validator import DocumentValidator
from tests.unit.graphql.documents import refusal_of


def each(form: str, count: int) -> str:
    return " ".join(form.format(i) for i in range(count))


# For each limit, a function that returns a document of exactly this size.
MEASURED: dict[str, Callable[[int], str]] = {
    "document_bytes": "{me{id}}".ljust,
    "tokens": lambda n: "{me{" + "id " * (n - 5) + "}}",
    "comments": lambda n: "#\n" * n + "{me{id}}",
    "name_length": lambda n: "query " + "q" * n + "{me{id}}",
    "number_length": lambda n: "{account(id:" + "1" * n + "){id}}",
    "nesting": lambda n: "{" + "...{" * (n - 1) + "__typename" + "}" * n,
    "depth": lambda n: '{__type(name:"a"){' + "ofType{" * (n - 2) + "name" + "}" * n,
    "fields": lambda n: "{me{...F}} fragment F on User{" + each("a{}:id", n - 1) + "}",
    "aliases": lambda n: "{me{" + each("a{}:id", n) + "}}",
    "root_fields": lambda n: "{" + each("a{}:me{{id}}", n) + "}",
    "mutation_fields": lambda n: "mutation{" + each("a{}:logout{{closed}}", n) + "}",
    "directives": lambda n: "{me{" + "id @skip(if:true) " * n + "}}",
    "operations": lambda n: "".join(f"query q{i}{{me{{id}}}}" for i in range(n)),
    "fragments": lambda n: "{" + each("...F{}", n) + "}" + each("fragment F{} on Query{{__typename}}", n),
    "spreads": lambda n: "{me{id " + "...F " * n + "}} fragment F on User{email}",
    "variables": lambda n: "query(" + each("$v{}:ID!", n) + "){" + each("a{0}:account(id:$v{0}){{id}}", n) + "}",
    "introspections": lambda n: "{" + each('a{}:__type(name:"a"){{name}}', n) + "}",
    "values": lambda n: "{me{" + each("a{}:id @skip(if:true)", n) + "}}",
    "merges": lambda n: "{me{" + each("a{0}:id a{0}:id", n) + "}}",
}


def test_every_limit_has_a_document_that_measures_it() -> None:
    assert MEASURED.keys() == {field.name for field in dataclasses.fields(DocumentLimits)}


@pytest.mark.parametrize("limit", MEASURED)
def test_a_document_may_reach_each_limit_and_not_exceed_it(limit: str) -> None:
    validator = DocumentValidator(load_sdl(), DocumentLimits(**{limit: 9}), codecs=SCALARS)
    sized = MEASURED[limit]
    assert validator.validate(sized(9)).operations
    assert refusal_of(sized(10), validator).code in {
        "DOCUMENT_TOO_LARGE",
        "DOCUMENT_TOO_DEEP",
        "DOCUMENT_TOO_COMPLEX",
    }


def test_bytes_are_counted_not_characters() -> None:
    validator = DocumentValidator(load_sdl(), DocumentLimits(document_bytes=60), codecs=SCALARS)
    assert refusal_of('{ account(id: "' + "é" * 30 + '") { id } }', validator).code == "DOCUMENT_TOO_LARGE"


def test_depth_and_fields_include_fragments() -> None:
    source = "{ me { ...A } } fragment A on User { accounts { ...B } } fragment B on Account { balance { amount } }"
    DocumentValidator(load_sdl(), DocumentLimits(depth=4, fields=4), codecs=SCALARS).validate(source)
    assert (
        refusal_of(source, DocumentValidator(load_sdl(), DocumentLimits(depth=3), codecs=SCALARS)).code
        == "DOCUMENT_TOO_DEEP"
    )
    assert (
        refusal_of(source, DocumentValidator(load_sdl(), DocumentLimits(fields=3), codecs=SCALARS)).code
        == "DOCUMENT_TOO_COMPLEX"
    )


def test_a_fragment_counts_at_the_depth_of_each_of_its_spreads() -> None:
    deep = 'b: __type(name: "a") { ofType { ofType { ...F } } }'
    source = f'{{ a: __type(name: "a") {{ ...F }} {deep} }} fragment F on __Type {{ ofType {{ name }} }}'
    DocumentValidator(load_sdl(), DocumentLimits(depth=5), codecs=SCALARS).validate(source)
    assert (
        refusal_of(source, DocumentValidator(load_sdl(), DocumentLimits(depth=4), codecs=SCALARS)).code
        == "DOCUMENT_TOO_DEEP"
    )


def test_the_depth_of_introspection_is_limited() -> None:
    source = "{ __schema { types { fields { type { fields { type { fields { name } } } } } } } }"
    assert refusal_of(source).errors[0]["message"] == "Maximum introspection depth exceeded"


@pytest.mark.parametrize(
    "source",
    [
        "{ __schema { types { a: fields { name } b: fields { name } } } }",
        "{ __schema { ...S } } fragment S on __Schema { types { ...T } } fragment T on __Type { a: name }",
        "query { __typename x: __schema { types { name } directives { n: name } } }",
    ],
)
def test_introspection_cannot_have_aliases(source: str) -> None:
    assert refusal_of(source).errors[0]["message"] == "Introspection has no aliases."
