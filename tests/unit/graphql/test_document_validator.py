"""Valid documents: their operations, the fields that these use, and the cache of validated documents."""

import pytest
from graphql import get_introspection_query

import contracts
from bank.api.scalars import SCALARS
from bank.api.schema import load_sdl
from bank.graphql.validation.errors import DocumentError
from bank.graphql.validation.validator import DocumentValidator, Operation
from tests.unit.graphql.documents import VALIDATOR, refusal_of

OPERATIONS = {
    file.name.removesuffix(".graphql"): file.read_text(encoding="utf-8")
    for file in contracts.OPERATIONS.iterdir()
    if file.name.endswith(".graphql")
}


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_of_the_contract_is_valid(name: str) -> None:
    document = VALIDATOR.validate(OPERATIONS[name])
    assert list(document.operations) == [name]


def test_the_complete_standard_introspection_query_is_valid() -> None:
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
    operation = VALIDATOR.validate(query).operation("IntrospectionQuery")
    assert operation.roots == ("__schema",)
    assert "__Type.ofType" in operation.fields


def test_an_operation_has_its_kind_its_root_fields_and_all_its_fields() -> None:
    operation = VALIDATOR.validate(OPERATIONS["AccountBalance"]).operation(None)
    assert operation == Operation(
        name="AccountBalance",
        kind="query",
        roots=("account",),
        names=("account",),
        fields=frozenset(
            {
                "Query.account",
                "Account.id",
                "Account.number",
                "Account.status",
                "Account.currency",
                "Account.createdAt",
                "Account.balance",
                "Account.availableBalance",
                "Account.heldBalance",
                "Money.amount",
                "Money.currency",
            }
        ),
    )


def test_root_fields_are_counted_once_for_each_response_name_also_in_fragments() -> None:
    source = """
      query { me { id } ...More first: account(id: "1") { id } me { email } }
      fragment More on Query { ... on Query { second: account(id: "2") { number } __typename } }
    """
    operation = VALIDATOR.validate(source).operation(None)
    assert operation.roots == ("me", "account", "__typename", "account")
    assert operation.fields >= {"User.id", "User.email", "Account.number", "Query.__typename"}


def test_each_operation_has_only_its_own_fields() -> None:
    document = VALIDATOR.validate("query A { me { id } } query B { me { ...F } } fragment F on User { email }")
    assert document.operation("A").fields == {"Query.me", "User.id"}
    assert document.operation("B").fields == {"Query.me", "User.email"}


def test_an_operation_is_found_by_its_name_or_if_it_is_the_only_one() -> None:
    document = VALIDATOR.validate("query A { me { id } } query B { me { email } }")
    assert document.operation("B").name == "B"
    with pytest.raises(DocumentError) as unknown:
        document.operation("secret")
    with pytest.raises(DocumentError) as unnamed:
        document.operation(None)
    assert (unknown.value.code, unnamed.value.code) == ("OPERATION_NOT_FOUND", "OPERATION_NAME_REQUIRED")
    assert "secret" not in str(unknown.value.errors)
    assert VALIDATOR.validate("{ me { id } }").operation(None).name is None
    with pytest.raises(DocumentError):
        VALIDATOR.validate("{ me { id } }").operation("A")


def test_the_digest_identifies_the_normalised_text() -> None:
    one = VALIDATOR.validate("{ me { id } } # a")
    other = VALIDATOR.validate("{ me { id } } # b")
    assert one.digest == other.digest
    assert len(one.digest) == 64
    assert VALIDATOR.validate("{ me { email } }").digest != one.digest


def test_a_document_is_validated_once(monkeypatch: pytest.MonkeyPatch) -> None:
    validator = DocumentValidator(load_sdl(), codecs=SCALARS)
    document = validator.validate("{ me { id } }")
    refusal = refusal_of("{ nobody }", validator)
    monkeypatch.setattr(DocumentValidator, "_validate_once", None)
    assert validator.validate("{ me { id } }") is document
    assert refusal_of("{ nobody }", validator).errors == refusal.errors


def test_the_cache_of_documents_is_bounded_and_keeps_the_last_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bank.graphql.validation.validator.DOCUMENTS_MAX", 2)
    validator = DocumentValidator(load_sdl(), codecs=SCALARS)
    first = validator.validate("{ me { id } }")
    validator.validate("{ me { email } }")
    assert validator.validate("{ me { id } }") is first
    validator.validate("{ me { role } }")
    assert validator.validate("{ me { id } }") is first
    assert len(validator._documents) == 2


def test_a_cached_refusal_cannot_be_changed_by_its_receiver() -> None:
    first = refusal_of("{ nobody_here }")
    first.errors[0]["message"] = "changed"
    first.errors.clear()
    assert refusal_of("{ nobody_here }").errors[0]["message"].startswith("Cannot query field 'nobody_here'")
