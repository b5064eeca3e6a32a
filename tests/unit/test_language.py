"""The language of the code: the first word of docstrings, the banned names, and the names of tests."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("bank", "simulation", "fixtures", "contracts", "tests", "benchmarks")
FILES = sorted(path for folder in FOLDERS for path in (ROOT / folder).rglob("*.py"))
# A docstring begins with a verb or a noun phrase.
QUESTION = re.compile(r"(?:What|Which|Who|Whose|Whether|How|Where|When|Why)\b")
# The name of a test is a sentence that begins with its subject.
NO_SUBJECT = re.compile(
    r"test_(?:what|which|who|whom|whose|whoever|whatever|how|why|where|when|while|until|if|that|it|they"
    r"|of|in|at|on|with|without|behind|beside|after|before|under|between|by|for|from)_"
)
# Private words, each with the standard term that replaced it (docs/glossary.md).
BANNED = {
    "Witness": "EventRecorder",
    "Herald": "LogListener",
    "Stretch": "EventRange",
    "bury": "dead_letter",
    "NotNow": "RetryLater",
    "Admitted": "ValidatedDocument",
    "Gate": "DocumentValidator",
    "bake": "build",
    "Unfit": "CompletionError",
    "Recent": "LRUCache",
    "Answerer": "GraphQLRequestHandler",
    "Notices": "InvalidationBroadcast",
    "Seal": "SigningConfig",
    "Examination": "AuditVerdict",
    "owe": "defer",
    "settle": "flush_deferred",
    "at_last": "before_commit",
    "shape": "serialize",
    "Undone": "TransactionRolledBack",
    "undone": "rolled_back",
    "Told": "Request",
    "told": "other_events",
    "tell": "send",
    "hear": "receive",
    "heard": "on_message",
    "Hearing": "PendingInvalidation",
    "believing": "trusts_redis",
    "Connecting": "ConnectionAttempts",
    "Opening": "OpenAccountResult",
    "unfounded": "row_without_event",
    "leavers": "logouts",
    "hole": "block",
    "understand": "parse",
    "Bankers": "OperationGenerator",
    "Spoilt": "ProxyCounts",
    "squashed": "letters_and_digits",
    "tells": "sends",
    "hears": "receives",
    "deaf": "without_listener",
    "believe": "trust",
    "believes": "trusts",
    "believed": "trusted",
    "Shaky": "ProxiedBank",
    "whoever": "a noun",
    "whatever": "a noun",
    "burn": "use",
    "burns": "uses",
    "burned": "used",
    "Paper": "InMemory",
    "doctored": "changed",
    "Sealed": "Signed",
    "seal": "sign",
    "retold": "changed",
}
# The shape of a scenario keeps its name, and methods of Tartiflette keep their names.
EXCEPTIONS = {("simulation", "shape"), ("bank/graphql/execution/schema_builder.py", "bake")}


def names(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            yield node.lineno, node.name


def words(name: str) -> set[str]:
    """Return a name and its words, for `_deliver_or_bury` as well as for `EventWitness`."""
    return {name, *name.strip("_").split("_"), *re.findall(r"[A-Z][a-z]+", name)}


def is_exception(place: str, word: str) -> bool:
    return any(place.startswith(prefix) and word == banned for prefix, banned in EXCEPTIONS)


def questions(source: str) -> list[str]:
    """Return the first lines of docstrings that begin with a question word."""
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        text.splitlines()[0]
        for node in ast.walk(ast.parse(source))
        if isinstance(node, documented) and (text := ast.get_docstring(node)) and QUESTION.match(text)
    ]


def banned_names(source: str, place: str = "") -> list[str]:
    """Return the names of classes and functions with a banned word, each with the standard term."""
    return [
        f"{line} {name}: {BANNED[word]}"
        for line, name in names(ast.parse(source))
        for word in sorted(words(name) & BANNED.keys())
        if not is_exception(place, word)
    ]


def subjectless_tests(source: str) -> list[str]:
    """Return the names of tests that begin with a question word, a preposition or a pronoun."""
    return [f"{line} {name}" for line, name in names(ast.parse(source)) if NO_SUBJECT.match(name)]


def sources() -> Iterator[tuple[str, str]]:
    for path in FILES:
        yield str(path.relative_to(ROOT)), path.read_text("utf-8")


def test_docstrings_begin_with_a_verb_or_a_noun_phrase() -> None:
    assert [f"{place}: {text}" for place, source in sources() for text in questions(source)] == []


def test_banned_names_do_not_come_back() -> None:
    assert [f"{place}:{text}" for place, source in sources() for text in banned_names(source, place)] == []


def test_names_of_tests_begin_with_their_subject() -> None:
    assert [f"{place}:{text}" for place, source in sources() for text in subjectless_tests(source)] == []


@pytest.mark.parametrize("name", ["Witness", "_deliver_or_bury", "EventWitness", "shape_money", "at_last"])
def test_a_banned_word_is_found_inside_of_a_name(name: str) -> None:
    assert words(name) & BANNED.keys()


PLANTED = '''"""What a fixture gives."""

class Shaky:
    """Which breaks."""

    def hear(self):
        """Return a message."""

@pytest.fixture
def believing():
    """Who waits."""

def test_who_tells_waits(): ...
async def test_of_two_one_writes(): ...
def test_whatever_fails_is_told(): ...
'''
PLAIN = '''"""A bank behind a proxy."""

class ProxiedBank:
    """A bank behind a proxy."""

def test_a_refused_transfer_leaves_no_entries():
    """For every amount."""

def test_whole_numbers_are_accepted(): ...
'''


def test_each_planted_violation_is_found() -> None:
    assert questions(PLANTED) == ["What a fixture gives.", "Which breaks.", "Who waits."]
    assert [text.split()[1] for text in banned_names(PLANTED)] == [
        "Shaky:", "believing:", "test_who_tells_waits:", "test_whatever_fails_is_told:",
        "test_whatever_fails_is_told:", "hear:",
    ]  # fmt: skip
    assert [text.split()[1] for text in subjectless_tests(PLANTED)] == [
        "test_who_tells_waits", "test_of_two_one_writes", "test_whatever_fails_is_told",
    ]  # fmt: skip


def test_plain_names_and_docstrings_are_accepted() -> None:
    assert (questions(PLAIN), banned_names(PLAIN), subjectless_tests(PLAIN)) == ([], [], [])
