"""The normalised text of a document has the same meaning as its source, in characters that every parser accepts."""

import graphql
import pytest
from graphql import parse, print_ast

from bank.api.scalars import SCALARS
from bank.graphql.validation.validator import DocumentValidator
from tests.unit.graphql.documents import VALIDATOR, refusal_of


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
def test_the_normalised_text_has_the_meaning_of_the_source(source: str, text: str | None) -> None:
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
def test_descriptions_that_tartiflette_cannot_parse_are_removed() -> None:
    source = """
      "what it does" query ("which one" $id: ID!) { account(id: $id) { ...F } }
      "a part" fragment F on Account { id }
    """
    text = VALIDATOR.validate(source).text
    assert "".join(text.split()) == "query($id:ID!){account(id:$id){...F}}fragmentFonAccount{id}"


def test_tokens_keep_their_lines_for_the_locations_of_errors() -> None:
    source = '{\n  account(id: """a\n  b""") {\n\n    id # x\n    number } }'
    lines = VALIDATOR.validate(source).text.split("\n")
    assert [line.strip() for line in lines] == ["{", 'account(id: "a\\nb"', ") {", "", "id", "number } }"]


def test_a_longer_string_never_joins_the_next_token() -> None:
    validator = DocumentValidator("type Query { f(of: [String!]): Int }", codecs=SCALARS)
    backslashes = "\\" * 20
    source = f'{{ f(of: ["""{backslashes} """ "" "b"]) }}'
    assert f'["{backslashes * 2} " "" "b"]' in validator.validate(source).text


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x85", "\x9f"])
def test_a_control_character_in_a_string_is_refused_in_every_spelling(character: str) -> None:
    for written in (character, f"\\u{ord(character):04x}"):
        refusal = refusal_of(f'{{ account(id: "a{written}b") {{ id }} }}')
        assert refusal.code == "GRAPHQL_PARSE_FAILED"


def test_a_lone_surrogate_is_refused_in_every_spelling() -> None:
    for written in ("\\ud800", "\ud800", "\\u{D800}"):
        assert refusal_of(f'{{ account(id: "{written}") {{ id }} }}').code == "GRAPHQL_PARSE_FAILED"


def test_a_nul_in_a_comment_does_not_end_the_document() -> None:
    document = VALIDATOR.validate("{ me { id # \0\n email } }")
    assert document.operation(None).fields == {"Query.me", "User.id", "User.email"}
    assert "email" in document.text
    assert "\0" not in document.text
