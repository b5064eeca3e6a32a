"""The language of the code: the first word of docstrings, and the banned names."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FILES = sorted(
    path for folder in ("bank", "simulation", "fixtures", "contracts") for path in (ROOT / folder).rglob("*.py")
)
# A docstring begins with a verb or a noun phrase.
QUESTION = re.compile(r"(?:What|Which|Who|Whose|Whether|How|Where|When|Why)\b")
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
    "squashed": "letters_and_digits",
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


def is_exception(path: Path, word: str) -> bool:
    place = str(path.relative_to(ROOT))
    return any(place.startswith(prefix) and word == banned for prefix, banned in EXCEPTIONS)


def test_docstrings_begin_with_a_verb_or_a_noun_phrase() -> None:
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    found = [
        f"{path.relative_to(ROOT)}: {text.splitlines()[0]}"
        for path in FILES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, documented) and (text := ast.get_docstring(node)) and QUESTION.match(text)
    ]
    assert found == []


def test_banned_names_do_not_come_back() -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line} {name}: {BANNED[word]}"
        for path in FILES
        for line, name in names(ast.parse(path.read_text("utf-8")))
        for word in words(name) & BANNED.keys()
        if not is_exception(path, word)
    ]
    assert found == []


@pytest.mark.parametrize("name", ["Witness", "_deliver_or_bury", "EventWitness", "shape_money", "at_last"])
def test_a_banned_word_is_found_inside_of_a_name(name: str) -> None:
    assert words(name) & BANNED.keys()
