"""Templates that are refused, each with one sentence, and those that are accepted."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.notifications.template_syntax import PART_MAX, WrongTemplate, check_part
from bank.notifications.types import NOTIFICATION_TYPES

SENT, DIGEST = NOTIFICATION_TYPES["transfer_sent"], NOTIFICATION_TYPES["digest"]


@pytest.mark.parametrize(
    "source",
    [
        "Hello {{ name }}",
        "{{ amount|money }} at {{ at|datetime }}",
        "{% if description %}{{ description }}{% else %}nothing{% endif %}",
        "{% if name == 'Ana' and not description %}{{ at|date }}{% elif counterparty != 'x' %}{{ at|time }}{% endif %}",
        "{# a comment #}{% raw %}{{ free }}{% endraw %}",
    ],
)
def test_a_template_shows_and_compares_its_variables(source: str) -> None:
    check_part("text", source, SENT)


def test_a_template_loops_over_a_list() -> None:
    check_part(
        "text", "{{ count|number }}{% for one in items %}{{ one.subject }} {{ one.at|time }}{% endfor %}", DIGEST
    )


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        ("\n{{ nane }}", "The part text, line 2: there is no variable nane; there are account, amount, at, balance,"),
        ("{{ amount }}", "line 1: amount is an amount of money and needs the filter money."),
        ("{{ at }}", "at is a time and needs the filter date or time or datetime."),
        ("{{ name|money }}", "the filter money is for an amount of money; name is a text."),
        ("{{ name|upper }}", "there is no filter upper; there are money, date, time, datetime, number."),
        ("{{ amount|money('x') }}", "the filter money takes no arguments."),
        ("{{ 'x' * 1000000000 }}", "a calculation is not allowed in a template."),
        ("{{ 10 ** 10 ** 10 }}", "a calculation is not allowed in a template."),
        ("{{ name ~ name }}", "a concatenation is not allowed in a template."),
        ("{{ range(10) }}", "a call is not allowed in a template."),
        ("{{ name.upper() }}", "a call is not allowed in a template."),
        ("{{ name.__class__ }}", "only elements of a list have members, and name.__class__ is no such member."),
        ("{{ amount['amount'] }}", "an index is not allowed in a template."),
        ("{{ 'text' }}", "a constant is not allowed in a template."),
        ("{{ name if name else name }}", "an if in an output is not allowed in a template."),
        ("{% set x = name %}", "an assignment is not allowed in a template."),
        ("{% macro m() %}{% endmacro %}", "a macro is not allowed in a template."),
        ("{% include 'x' %}", "an include is not allowed in a template."),
        ("{% extends 'x' %}", "an inheritance is not allowed in a template."),
        ("{% import 'x' as y %}", "an import is not allowed in a template."),
        ("{% for c in name %}{{ c }}{% endfor %}", "a loop goes over a list; there is none in this template."),
        ("{% for c in range(9) %}{% endfor %}", "a loop goes over a list; there is none in this template."),
        ("{% if amount > 5 %}x{% endif %}", "a condition compares with == or != only."),
        ("{% if name is string %}x{% endif %}", "a test is not allowed in a condition."),
        ("{% if name|length %}x{% endif %}", "a filter is not allowed in a condition."),
        ("{% if nane %}x{% endif %}", "there is no variable nane;"),
        ("{% if name %}", "line 1: Unexpected end of template."),
        ("{{ name", "line 1: unexpected end of template, expected 'end of print statement'."),
        ("", "The part text is empty."),
        (" \n ", "The part text is empty."),
        ("x" * 8_001, "The part text has 8,001 characters; at most 8,000 are allowed."),
        ("{% if name %}" * 10 + "{% endif %}" * 10, "The part text has too many nested blocks."),
        ("{% if " + "not " * 1_900 + "name %}{% endif %}", "The part text has too many nested blocks."),
    ],
)
def test_anything_else_is_refused_with_one_sentence(source: str, sentence: str) -> None:
    with pytest.raises(WrongTemplate) as refused:
        check_part("text", source, SENT)
    assert sentence in str(refused.value)
    assert str(refused.value).endswith(".") or sentence.endswith(";")


@pytest.mark.parametrize(
    ("source", "sentence"),
    [
        (
            "{% for one in items %}{{ one }}{% endfor %}",
            "one is an element of a list; its members are subject, short, at.",
        ),
        ("{% for one in items %}{{ one.x }}{% endfor %}", "one has no member x; it has subject, short, at."),
        ("{% for one in items %}{% for two in items %}{% endfor %}{% endfor %}", "a loop cannot be nested"),
        ("{% for one in items recursive %}{% endfor %}", "a loop cannot be nested, filtered, recursive"),
        ("{% for one in items if one.at %}{% endfor %}", "a loop cannot be nested, filtered, recursive"),
        ("{% for one, two in items %}{% endfor %}", "a loop has one name for the element."),
        ("{% for name in items %}{% endfor %}", "name is already the name of a variable."),
        ("{{ items }}", "items is a list, for loops."),
        ("{{ one.subject }}", "only elements of a list have members"),
    ],
)
def test_a_wrong_loop_is_refused(source: str, sentence: str) -> None:
    with pytest.raises(WrongTemplate, match=sentence[:30].replace("(", r"\(")) as refused:
        check_part("text", source, DIGEST)
    assert sentence in str(refused.value)


def test_a_subject_is_one_line() -> None:
    with pytest.raises(WrongTemplate, match="a subject is one line"):
        check_part("subject", "one\ntwo", SENT)


@given(st.text(alphabet="{}%|.()[]'\"*+~ \nnamefortisdu_=0123", max_size=80))
def test_any_text_is_accepted_or_refused(source: str) -> None:
    for part in PART_MAX:
        with contextlib.suppress(WrongTemplate):
            check_part(part, source, SENT)
