"""The JSON of a request is read as it is written, and refused if a member occurs twice, in any place or spelling."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.api.request_body import DuplicateMemberError, UnreadableNumberError, read_body, read_variables


@pytest.mark.parametrize(
    "body",
    [
        '{"query":"{me}","query":"{me}"}',
        '{"query":"{me}","operationName":null,"operationName":"A"}',
        '{"query":"{me}","variables":{},"variables":{"a":1}}',
        '{"query":"{me}","extensions":{"a":1,"a":1}}',
        '{"query":"{me}","unknown":1,"unknown":2}',
        '{"query":"{me}","variables":{"amount":"1.00","amount":"9.00"}}',
        '{"query":"{me}","variables":{"amount":"1.00","\\u0061mount":"9.00"}}',
        '{"query":"{me}","variables":{"i":{"a":{"amount":"1.00","amo\\u0075nt":"9.00"}}}}',
        '{"query":"{me}","variables":{"i":[[{"b":1},{"a":1,"b":2,"a":3}]]}}',
        '{"query":"{me}","variables":{"a":{"c":"x"},"a":{"b":"x","c":"y"}}}',
        '{"query":"{me}","variables":{"":1,"":2}}',
        '{"query":"{me}","variables":{"é":1,"\\u00e9":2}}',
        '{"query":"{me}","variables":{"a\\/":1,"a/":2}}',
        '{"query":"{me}","variables":{"\\"":1,"\\u0022":2}}',
        '{"query":"{me}","variables":{"x":"\\\\","a":1,"a":"\\\\\\""}}',
        '{"query":"{me}","variables":{"x":"\\\\\\\\","a":"\\"\\"","a":"\\\\"}}',
        '{"query":"{me}","variables":{"x":"\\u005c","a":"\\u005c\\u0022","a":"\\u005c"}}',
    ],
)
def test_a_repeated_member_is_refused(body: str) -> None:
    with pytest.raises(DuplicateMemberError):
        read_body(body.encode())


@pytest.mark.parametrize(
    ("name", "said"),
    [("amount", True), ("a" * 40, True), ("a" * 41, False), ("529.982.247-25", False), ("", False), ("né", False)],
)
def test_a_repeated_member_is_named_if_it_is_a_graphql_name(name: str, said: bool) -> None:
    with pytest.raises(DuplicateMemberError) as error:
        read_variables(f'{{"{name}":1,"{name}":2}}')
    assert str(error.value) == f"A member comes twice in an object of the JSON{f': {name}' if said else ''}."


@pytest.mark.parametrize(
    "variables",
    [
        {"a": {"a": {"a": "a"}}, "b": [{"a": 1}, {"a": 1}]},
        {"a": 'quotes " and "members":"in":"text"', "b": '"', '"': ""},
        {"a": "\\", "b": '\\"', "\\": '\\\\"', "c": "\\u0022"},
        {"a": "\n\t\0\x7f\u2028é😀", "é": None},
        {},
    ],
)
@pytest.mark.parametrize("ascii_only", [True, False])
def test_json_without_repeated_members_is_decoded_unchanged(variables: dict[str, Any], ascii_only: bool) -> None:
    text = json.dumps({"query": "{ me }", "variables": variables, "more": 1}, ensure_ascii=ascii_only)
    body = read_body(text.encode())
    assert (body.query, body.operation_name, body.variables, body.extensions) == ("{ me }", None, variables, None)
    assert read_variables(json.dumps(variables, ensure_ascii=ascii_only)) == variables


Spell = Callable[[str], str]
STRINGS = st.text(alphabet='ab"\\/\n\0é', max_size=4)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | STRINGS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(STRINGS, inner, max_size=3),
    max_leaves=10,
)


def _written(value: Any, spell: Spell) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{spell(name)}:{_written(inner, spell)}" for name, inner in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_written(inner, spell) for inner in value) + "]"
    return spell(value) if isinstance(value, str) else json.dumps(value)


def _escaped(text: str) -> str:
    return '"' + "".join(f"\\u{ord(character):04x}" for character in text) + '"'


SPELLINGS: list[Spell] = [json.dumps, _escaped]


@given(
    STRINGS,
    st.tuples(VALUES, VALUES, VALUES),
    st.sampled_from(SPELLINGS),
    st.sampled_from(SPELLINGS),
    st.integers(0, 3),
)
def test_a_repeated_member_is_found_at_any_depth_in_any_spelling(
    name: str, values: tuple[Any, Any, Any], spell: Spell, spell_again: Spell, depth: int
) -> None:
    first, between, second = values
    other = "" if name == "other" else f'"other":{_written(between, spell)},'
    once = f"{other}{spell_again(name)}:{_written(second, spell_again)}"
    twice = f"{spell(name)}:{_written(first, spell)},{once}"
    for members, refused in ((once, False), (twice, True)):
        text = '{"in":[' * depth + f"{{{members}}}" + "]}" * depth
        try:
            assert read_variables(text) == json.loads(text)
        except DuplicateMemberError:
            assert refused
        else:
            assert not refused


@pytest.mark.parametrize("body", ["[]", "{}", '{"query":1}', '{"query":"","variables":[]}', "null", '"query"'])
def test_json_of_another_form_than_a_request_is_refused(body: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        read_body(body.encode())


@pytest.mark.parametrize("number", ["1e400", "-1E+999", "1.8e308", f"{'9' * 400}.0"])
@pytest.mark.parametrize(
    ("variables", "place"),
    [
        ('{"a":#}', "Variable $a"),
        ('{"i":{"amount":{"amount":#}}}', "Variable $i.amount.amount"),
        ('{"i":{"list":[{"n":1},{"n":#,"m":#}]}}', "Variable $i.list[1].n"),
        ('{"\\u0061":[[1,#]]}', "Variable $a[0][1]"),
        ('{"a":{"529.982.247-25":{"b":#}}}', "Variable $a"),
        ('{"529.982.247-25":#}', "A variable"),
    ],
)
def test_a_number_out_of_range_is_reported_by_its_path_without_its_value(
    number: str, variables: str, place: str
) -> None:
    variables = variables.replace("#", number)
    body = f'{{"query":"{{me}}","variables":{variables}}}'.encode()
    for read in (lambda: read_variables(variables), lambda: read_body(body)):
        with pytest.raises(UnreadableNumberError) as error:
            read()
        assert str(error.value) == f"{place} is a number out of range."


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_nan_and_infinity_are_named(name: str) -> None:
    with pytest.raises(UnreadableNumberError, match=rf"^Variable \$a\[0\] is {name}, which is no number of JSON\.$"):
        read_variables(f'{{"a":[{name}]}}')


def test_an_integer_too_long_to_parse_is_named() -> None:
    assert read_variables(f'{{"a":{"1" * 4300}}}') == {"a": int("1" * 4300)}
    with pytest.raises(UnreadableNumberError, match=r"^Variable \$a has more digits than any number may have\.$"):
        read_variables(f'{{"a":{"1" * 4301}}}')


@pytest.mark.parametrize("body", ['{"query":"{me}","extensions":{"a":1e400}}', '{"variables":1e400}', "[1e400]", "NaN"])
def test_a_number_out_of_range_outside_of_the_variables_is_refused(body: str) -> None:
    with pytest.raises(UnreadableNumberError, match=r"^A member of the request is "):
        read_body(body.encode())


@pytest.mark.parametrize(
    "text", ['{"a":1e400', '{"a":01}', '{"a":1.}', '{"a":+1}', '{"a":.5}', '{"a":0x1}', "[" * 9999]
)
def test_json_that_is_invalid_for_another_reason_has_another_error(text: str) -> None:
    with pytest.raises((msgspec.DecodeError, RecursionError)):
        read_variables(text)


@pytest.mark.parametrize(
    ("text", "value"), [("-0", 0), ("1.0", 1.0), ("1e2", 100.0), ("1e-400", 0.0), (f"{2**64 + 1}", 2**64 + 1)]
)
def test_a_number_in_range_is_decoded_unchanged(text: str, value: float) -> None:
    assert read_variables(f'{{"a":{text}}}') == {"a": value}
