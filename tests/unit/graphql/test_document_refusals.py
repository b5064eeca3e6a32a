"""Refused documents: a clear sentence, the location of the error, the nearest name, and no values."""

import pytest

from bank.api.scalars import SCALARS
from bank.graphql.validation.errors import DocumentError
from bank.graphql.validation.validator import DocumentValidator
from bank.telemetry.context import RequestContext, enter_context
from tests.unit.graphql.documents import refusal_of


def test_a_cached_refusal_has_the_correlation_id_of_the_current_request() -> None:
    refusal_of("{ nobody_there }")
    enter_context(RequestContext(correlation_id="mine"))
    error = refusal_of("{ nobody_there }").errors[0]
    assert error["extensions"] == {"code": "GRAPHQL_VALIDATION_FAILED", "correlationId": "mine", "retryable": False}
    assert error["locations"] == [{"line": 1, "column": 3}]


@pytest.mark.parametrize(
    ("source", "code", "message"),
    [
        ("", "GRAPHQL_PARSE_FAILED", "Syntax error: Unexpected <EOF>."),
        ("{ me { id }", "GRAPHQL_PARSE_FAILED", "Syntax error: Expected Name, found <EOF>."),
        ("query secret secret { me { id } }", "GRAPHQL_PARSE_FAILED", "Syntax error: Expected '{', found Name."),
        ("{ me { id } } type T { secret: Int }", "GRAPHQL_VALIDATION_FAILED", None),
        ("{ me { } }", "GRAPHQL_PARSE_FAILED", None),
        ("{ me }", "GRAPHQL_VALIDATION_FAILED", "Field 'me' of type 'User!' must have a selection of subfields."),
        ("{ mee { id } }", "GRAPHQL_VALIDATION_FAILED", "Cannot query field 'mee' on type 'Query'; did you mean me?"),
        ("{ me { x: id x: email } }", "GRAPHQL_VALIDATION_FAILED", None),
        ("subscription { me { id } }", "GRAPHQL_VALIDATION_FAILED", None),
        ("{ me { id @secret } }", "GRAPHQL_VALIDATION_FAILED", "Unknown directive '@secret'; there are include, skip."),
        ("query ($a: Int @include(if: true)) { me { id } }", "GRAPHQL_VALIDATION_FAILED", None),
        ("query Q { me { id } } query Q { me { id } }", "GRAPHQL_VALIDATION_FAILED", None),
        ("{ ...F } fragment F on Query { ...F }", "GRAPHQL_VALIDATION_FAILED", "A fragment spreads itself."),
        ("{ me { id } } fragment F on User { id }", "GRAPHQL_VALIDATION_FAILED", "Fragment 'F' is never used."),
        ("{ ...Nowhere }", "GRAPHQL_VALIDATION_FAILED", "Unknown fragment 'Nowhere'."),
    ],
)  # fmt: skip
def test_an_invalid_document_is_refused_with_a_clear_sentence(source: str, code: str, message: str | None) -> None:
    refusal = refusal_of(source)
    assert refusal.code == code
    assert message is None or refusal.errors[0]["message"] == message


LOGIN = "mutation {{ login(input: {{email: {}, password: {}}}) {{ userErrors {{ code }} }} }}"


@pytest.mark.parametrize(
    "source",
    [
        LOGIN.format('"joe"', "hunter2"),
        LOGIN.format('"joe"', "[[hunter2]]"),
        LOGIN.format('"joe"', "{hunter2: 1}"),
        LOGIN.format('{a: "hunter2"}', '"x"'),
        LOGIN.format('"joe"', "1.hunter2"),
        'mutation { login(input: {email: "hunter2"}) { userErrors { code } } }',
        'mutation { login(input: [{email: "hunter2"}]) { userErrors { code } } }',
        'mutation { login(input: "hunter2") { userErrors { code } } }',
        '{ account(id: "x") { transactions(first: "hunter2") { nodes { id } } } }',
        '{ account(id: {x: "hunter2"}) { id } }',
        '{ me { id @include(if: "hunter2") } }',
        'query ($r: Boolean! = "hunter2") { me { id @skip(if: $r) } }',
        '{ "hunter2" }',
        '{ me { id } } "hunter2"',
        '{ account(id: "\\uhunter2") { id } }',
        '{ account(id: """hunter2 \u0007""") { id } }',
        "mutation { openAccount(input: {idempotencyKey: 1, currency: hunter2}) { replayed } }",
        'mutation { openAccount(input: {idempotencyKey: "1", currency: "hunter2"}) { replayed } }',
        'mutation { register(input: {email: "a", fullName: "b", cpf: "hunter2", password: "c"}) { accepted } }',
    ],
)
def test_no_refusal_repeats_a_value(source: str) -> None:
    for error in refusal_of(source).errors:
        assert "hunter2" not in str(error)
        assert "Did you mean" not in error["message"]  # this sentence of graphql-core would repeat values
        assert len(error["message"]) <= 300


def test_an_invalid_literal_is_refused_with_the_sentence_of_its_scalar() -> None:
    source = 'mutation { register(input: {email: "a", fullName: "b", cpf: "111", password: "c"}) { accepted } }'
    assert refusal_of(source).errors[0]["message"].startswith("A CPF has eleven digits")


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ('mutation { register(input: {cpf: "111"}) { accepted } }', "At register(input.cpf)."),
        ('mutation { a: transfer(input: {toAccountNumber: "1"}) { replayed } }', "At transfer(input.toAccountNumber)."),
        ("mutation { transfer(input: {amount: {amount: 1}}) { replayed } }", "At transfer(input.amount.amount)."),
        (
            "mutation { transfer(input: {ammount: 1}) { replayed } }",
            "unknown field 'ammount'; did you mean amount? At transfer(input.ammount).",
        ),
        (
            'mutation { transferBatch(input: {transfers: [$i, {toAccountNumber: "1"}]}) { replayed } }',
            "At transferBatch(input.transfers[1].toAccountNumber).",
        ),
        ('query ($c: CPF = "111") { me { id } }', "At $c."),
        ('{ ...F } fragment F on Query { account(id: "1") { balanceAt(at: "now") { amount } } }', "At balanceAt(at)."),
        ("{ me { id @include(if: 1) } }", "At @include(if)."),
        ("query A { account(id: $x) { id } }", "Variable '$x' is not defined by operation 'A'."),
        ("query ($id: ID!) { account(id: $ID) { id } }", "Variable '$ID' is not defined; did you mean $id?"),
    ],
)
def test_an_invalid_value_or_variable_is_named(source: str, place: str) -> None:
    messages = [error["message"] for error in refusal_of(source).errors]
    assert any(message.endswith(place) for message in messages), messages


NAMES = """
type Query { take(given: Given, kind: Kind, ratio: Float, kinds: [Kind!]): Thing }
interface Thing { size(kind: Kind): Int }
type Small implements Thing { size(kind: Kind): Int tiny: Boolean }
input Given { name: String amount: Given kind: Kind }
enum Kind { SMALL LARGE }
"""


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{ tkae { size } }", "Cannot query field 'tkae' on type 'Query'; did you mean take?"),
        ("{ take { szie } }", "Cannot query field 'szie' on type 'Thing'; did you mean size?"),
        ("{ take { ... on Small { TINY } } }", "Cannot query field 'TINY' on type 'Small'; did you mean tiny?"),
        ("{ take { zzz } }", "Cannot query field 'zzz' on type 'Thing'; its fields are size, __typename."),
        ("{ __schem { types { name } } }", "Cannot query field '__schem' on type 'Query'; did you mean __schema?"),
        ("{ take(knd: SMALL) { size } }", "Unknown argument 'knd' on field 'Query.take'; did you mean kind?"),
        ("{ take { size(x: 1) } }", "Unknown argument 'x' on field 'Thing.size'; its arguments are kind."),
        ("{ take @skip(iff: true) { size } }", "Unknown argument 'iff' on directive '@skip'; did you mean if?"),
        ("{ take @inclde(if: true) { size } }", "Unknown directive '@inclde'; did you mean include?"),
        ("{ take { ... on Smal { size } } }", "Unknown type 'Smal'; did you mean Small?"),
        ("query ($g: [Gven!]) { take(given: $g) { size } }", "Unknown type 'Gven'; did you mean Given?"),
        ("query ($g: Thng) { take(given: $g) { size } }",
         "Unknown type 'Thng'; there are Boolean, Float, Given, Int, Kind, String."),
        ("{ take { ...Pats } } fragment Parts on Thing { size } query B { take { ...Parts } }",
         "Unknown fragment 'Pats'; did you mean Parts?"),
        ("query ($kind: Kind) { take(kind: $kid) { size } }", "Variable '$kid' is not defined; did you mean $kind?"),
        ('{ take(given: {amount: {nmae: "a"}}) { size } }',
         "Expected value of type 'Given' not to include unknown field 'nmae'; did you mean name? "
         "At take(given.amount.nmae)."),
        ('query ($g: Given = {nmae: "a"}) { take(given: $g) { size } }',
         "Expected value of type 'Given' not to include unknown field 'nmae'; did you mean name? At $g.nmae."),
        ("{ take(kind: SMAL) { size } }", "A value is not of the type asked for; did you mean SMALL? At take(kind)."),
        ("{ take(kinds: [LARGE, hunter2]) { size } }",
         "A value is not of the type asked for; its values are SMALL, LARGE. At take(kinds[1])."),
        ('{ take(given: {kind: "large"}) { size } }',
         "Enum 'Kind' cannot represent non-enum value; did you mean LARGE? At take(given.kind)."),
        ("{ take(ratio: 1e400) { size } }", "A number is out of range. At take(ratio)."),
        ("query ($r: Float = -1e999) { take(ratio: $r) { size } }", "A number is out of range. At $r."),
        ("query A { take { size } } query B { take { size } }", None),
    ],
)  # fmt: skip
def test_an_unknown_name_is_reported_with_the_nearest_known_one(source: str, message: str | None) -> None:
    validator = DocumentValidator(NAMES, codecs=SCALARS)
    if message is None:
        document = validator.validate(source)
        for name, known in (("a", "did you mean A?"), ("Other", "its operations are A, B."), ("529.982", "its operat")):
            with pytest.raises(DocumentError) as caught:
                document.operation(name)
            assert caught.value.errors[0]["message"].startswith(f"The document has no operation of this name; {known}")
    else:
        assert message in [error["message"] for error in refusal_of(source, validator).errors]


def test_a_location_that_is_too_long_is_left_out_of_the_sentence() -> None:
    source = f'query (${"x" * 90}: {"[" * 30}Int{"]" * 30} = {"[" * 30}"a"{"]" * 30}) {{ me {{ id }} }}'
    message = refusal_of(source).errors[-1]["message"]
    assert message == "Int cannot represent non-integer value."
    assert len(message) <= 300
