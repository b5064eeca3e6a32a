import dataclasses
from collections.abc import Callable

import graphql
import pytest
from graphql import get_introspection_query, parse, print_ast

import contracts
from bank.api.scalars import SCALARS
from bank.api.schema import load_sdl
from bank.graphql.validation.errors import DocumentError
from bank.graphql.validation.limits import DocumentLimits
from bank.graphql.validation.validator import DocumentValidator, Operation
from bank.telemetry.context import RequestContext, enter_context

VALIDATOR = DocumentValidator(load_sdl(), codecs=SCALARS)
OPERATIONS = {
    file.name.removesuffix(".graphql"): file.read_text(encoding="utf-8")
    for file in contracts.OPERATIONS.iterdir()
    if file.name.endswith(".graphql")
}


def refusal_of(source: str, validator: DocumentValidator = VALIDATOR) -> DocumentError:
    with pytest.raises(DocumentError) as caught:
        validator.validate(source)
    return caught.value


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_every_operation_of_the_contract_is_admitted(name: str) -> None:
    document = VALIDATOR.validate(OPERATIONS[name])
    assert list(document.operations) == [name]


def test_the_standard_introspection_query_is_admitted_in_full() -> None:
    query = get_introspection_query(
        specified_by_url=True, directive_is_repeatable=True, schema_description=True, input_value_deprecation=True
    )
    operation = VALIDATOR.validate(query).operation("IntrospectionQuery")
    assert operation.roots == ("__schema",)
    assert "__Type.ofType" in operation.fields


def test_an_operation_tells_its_kind_its_roots_and_all_that_it_reaches() -> None:
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


def test_roots_are_counted_once_for_each_response_name_with_fragments_written_out() -> None:
    source = """
      query { me { id } ...More first: account(id: "1") { id } me { email } }
      fragment More on Query { ... on Query { second: account(id: "2") { number } __typename } }
    """
    operation = VALIDATOR.validate(source).operation(None)
    assert operation.roots == ("me", "account", "__typename", "account")
    assert operation.fields >= {"User.id", "User.email", "Account.number", "Query.__typename"}


def test_each_operation_reaches_only_its_own_fields() -> None:
    document = VALIDATOR.validate("query A { me { id } } query B { me { ...F } } fragment F on User { email }")
    assert document.operation("A").fields == {"Query.me", "User.id"}
    assert document.operation("B").fields == {"Query.me", "User.email"}


def test_an_operation_is_found_by_its_name_and_the_only_one_also_without() -> None:
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


def test_the_digest_names_the_normalised_text() -> None:
    one = VALIDATOR.validate("{ me { id } } # a")
    other = VALIDATOR.validate("{ me { id } } # b")
    assert one.digest == other.digest
    assert len(one.digest) == 64
    assert VALIDATOR.validate("{ me { email } }").digest != one.digest


def test_a_document_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    validator = DocumentValidator(load_sdl(), codecs=SCALARS)
    document = validator.validate("{ me { id } }")
    refusal = refusal_of("{ nobody }", validator)
    monkeypatch.setattr(DocumentValidator, "_validate_once", None)
    assert validator.validate("{ me { id } }") is document
    assert refusal_of("{ nobody }", validator).errors == refusal.errors


def test_what_is_kept_is_bounded_and_the_last_used_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bank.graphql.validation.validator.DOCUMENTS_MAX", 2)
    validator = DocumentValidator(load_sdl(), codecs=SCALARS)
    first = validator.validate("{ me { id } }")
    validator.validate("{ me { email } }")
    assert validator.validate("{ me { id } }") is first
    validator.validate("{ me { role } }")
    assert validator.validate("{ me { id } }") is first
    assert len(validator._documents) == 2


def test_a_kept_refusal_cannot_be_changed_by_who_got_it() -> None:
    first = refusal_of("{ nobody_here }")
    first.errors[0]["message"] = "changed"
    first.errors.clear()
    assert refusal_of("{ nobody_here }").errors[0]["message"].startswith("Cannot query field 'nobody_here'")


def test_a_refusal_carries_the_correlation_id_of_who_asks_now() -> None:
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
def test_what_is_no_valid_document_is_refused_with_a_clear_sentence(
    source: str, code: str, message: str | None
) -> None:
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
        'mutation { register(input: {email: "a", fullName: "b", cpf: "hunter2", password: "c"}) { user { id } } }',
    ],
)
def test_no_refusal_repeats_a_value(source: str) -> None:
    for error in refusal_of(source).errors:
        assert "hunter2" not in str(error)
        assert "Did you mean" not in error["message"]  # graphql-core's, which would repeat values
        assert len(error["message"]) <= 300


def test_a_literal_that_no_scalar_takes_is_refused_with_the_scalars_own_sentence() -> None:
    source = 'mutation { register(input: {email: "a", fullName: "b", cpf: "111", password: "c"}) { user { id } } }'
    assert refusal_of(source).errors[0]["message"].startswith("A CPF has eleven digits")


@pytest.mark.parametrize(
    ("source", "place"),
    [
        ('mutation { register(input: {cpf: "111"}) { user { id } } }', "At register(input.cpf)."),
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
def test_a_value_or_variable_at_fault_is_named(source: str, place: str) -> None:
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
def test_an_unknown_name_is_named_with_the_nearest_that_there_is(source: str, message: str | None) -> None:
    validator = DocumentValidator(NAMES, codecs=SCALARS)
    if message is None:
        document = validator.validate(source)
        for name, known in (("a", "did you mean A?"), ("Other", "its operations are A, B."), ("529.982", "its operat")):
            with pytest.raises(DocumentError) as caught:
                document.operation(name)
            assert caught.value.errors[0]["message"].startswith(f"The document has no operation of this name; {known}")
    else:
        assert message in [error["message"] for error in refusal_of(source, validator).errors]


def test_a_place_too_long_to_show_leaves_the_sentence() -> None:
    source = f'query (${"x" * 90}: {"[" * 30}Int{"]" * 30} = {"[" * 30}"a"{"]" * 30}) {{ me {{ id }} }}'
    message = refusal_of(source).errors[-1]["message"]
    assert message == "Int cannot represent non-integer value."
    assert len(message) <= 300


def each(form: str, count: int) -> str:
    return " ".join(form.format(i) for i in range(count))


# For each limit, a document that measures exactly n.
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
def test_a_document_may_reach_each_limit_and_not_pass_it(limit: str) -> None:
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


def test_depth_and_fields_count_through_fragments() -> None:
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


def test_a_fragment_first_met_far_up_still_counts_where_it_is_spread_far_down() -> None:
    deep = 'b: __type(name: "a") { ofType { ofType { ...F } } }'
    source = f'{{ a: __type(name: "a") {{ ...F }} {deep} }} fragment F on __Type {{ ofType {{ name }} }}'
    DocumentValidator(load_sdl(), DocumentLimits(depth=5), codecs=SCALARS).validate(source)
    assert (
        refusal_of(source, DocumentValidator(load_sdl(), DocumentLimits(depth=4), codecs=SCALARS)).code
        == "DOCUMENT_TOO_DEEP"
    )


def test_introspection_cannot_be_nested_without_end() -> None:
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
def test_introspection_cannot_be_multiplied_by_aliases(source: str) -> None:
    assert refusal_of(source).errors[0]["message"] == "Introspection has no aliases."


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ('{ account(id: "\\u0141\\u0122") { id } }', '{ account(id: "ŁĢ")         { id } }'),
        ('{ account(id: "\\uD83D\\uDE00 \\u{1F600}") { id } }', None),
        ('{ account(id: "a\\"b\\\\c\\n\\td\\/") { id } }', None),
        ('{ account(id: """\n   one\n     \\"""two\n  """) { id } }', None),
        ("{ me { id } } # the end", "{ me { id } }"),
        ("\ufeff{ me { id } }", None),
        ("{me{a:id,b:id,,,}}", "{me{a:id b:id   }}"),
        ("query ($\n a : ID !) { account(id: $ a) { id } }", None),
        ('{ account(id: "") { id } }', None),
        ("{ me { id @ # why\n include(if: true) } }", None),
    ],
)
def test_the_text_means_what_the_source_means_in_raw_characters(source: str, text: str | None) -> None:
    document = VALIDATOR.validate(source)
    assert print_ast(parse(document.text)) == print_ast(parse(source)).replace('"""', '"') or '"""' in source
    assert "\\u" not in document.text
    assert "#" not in document.text
    assert text is None or "".join(document.text.split()) == "".join(text.split())


def test_a_block_string_becomes_one_line_with_the_same_value() -> None:
    from graphql import StringValueNode, Visitor, visit

    def strings(source: str) -> list[str]:
        found: list[str] = []

        class Collect(Visitor):
            def enter_string_value(self, node: StringValueNode, *_: object) -> None:
                found.append(node.value)

        visit(parse(source), Collect())
        return found

    source = '{ account(id: """\n   one "quoted" \\ \n     \\"""two\n  """) { id } }'
    document = VALIDATOR.validate(source)
    assert strings(document.text) == strings(source) == ['one "quoted" \\ \n  """two']
    assert '"""' not in document.text


@pytest.mark.skipif(graphql.version_info < (3, 3), reason="graphql-core knows descriptions of operations since 3.3")
def test_descriptions_which_tartiflette_cannot_read_are_left_out() -> None:
    source = """
      "what it does" query ("which one" $id: ID!) { account(id: $id) { ...F } }
      "a part" fragment F on Account { id }
    """
    text = VALIDATOR.validate(source).text
    assert "".join(text.split()) == "query($id:ID!){account(id:$id){...F}}fragmentFonAccount{id}"


def test_tokens_keep_their_lines_so_that_errors_point_at_the_clients_own() -> None:
    source = '{\n  account(id: """a\n  b""") {\n\n    id # x\n    number } }'
    lines = VALIDATOR.validate(source).text.split("\n")
    assert [line.strip() for line in lines] == ["{", 'account(id: "a\\nb"', ") {", "", "id", "number } }"]


def test_words_stay_apart_where_a_string_has_grown_over_the_next_ones_place() -> None:
    validator = DocumentValidator("type Query { f(of: [String!]): Int }", codecs=SCALARS)
    backslashes = "\\" * 20
    source = f'{{ f(of: ["""{backslashes} """ "" "b"]) }}'
    assert f'["{backslashes * 2} " "" "b"]' in validator.validate(source).text


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x85", "\x9f"])
def test_a_control_character_in_a_string_is_refused_however_it_is_written(character: str) -> None:
    for written in (character, f"\\u{ord(character):04x}"):
        refusal = refusal_of(f'{{ account(id: "a{written}b") {{ id }} }}')
        assert refusal.code == "GRAPHQL_PARSE_FAILED"


def test_a_lone_surrogate_is_refused_however_it_is_written() -> None:
    for written in ("\\ud800", "\ud800", "\\u{D800}"):
        assert refusal_of(f'{{ account(id: "{written}") {{ id }} }}').code == "GRAPHQL_PARSE_FAILED"


def test_a_nul_in_a_comment_does_not_end_the_document() -> None:
    document = VALIDATOR.validate("{ me { id # \0\n email } }")
    assert document.operation(None).fields == {"Query.me", "User.id", "User.email"}
    assert "email" in document.text
    assert "\0" not in document.text
