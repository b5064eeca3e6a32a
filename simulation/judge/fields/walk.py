"""The walk over an answer, which applies the rules to every object and every field of it."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from simulation.client.payloads import FIELDS
from simulation.judge.fields.books import Between, Books, Instant, Money, Object, OneOf, instant
from simulation.judge.fields.contract import leaves, types
from simulation.judge.fields.node import AnswerNode, NoSuchRowError
from simulation.judge.fields.rules import ANYTHING, RULES
from simulation.judge.fields.shapes import SHAPES
from simulation.model.attempts import Attempt
from simulation.model.operations import READ_KINDS, Intent

RFC_3339 = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")
"""The format of times in answers, always with microseconds, so the order of the texts is the order of the times."""


def wrong_fields(books: Books, attempt: Attempt) -> Iterator[tuple[str, str]]:
    """Yield (field, sentence) for each field of an answer that does not agree with the books."""
    shown = _root(attempt)
    if shown is None:
        return
    root = "Query" if attempt.operation.kind in READ_KINDS else "Mutation"
    field = FIELDS[attempt.operation.kind]
    yield from _object(AnswerNode(books, attempt, types()[root][field], field, shown))


def _root(attempt: Attempt) -> Object | None:
    """Return the value of an answer's root field; None if it is null or absent."""
    if attempt.body is None or attempt.outcome not in {"ok", "refused"}:
        return None
    data = msgspec.json.decode(attempt.body).get("data") or {}
    field = FIELDS[attempt.operation.kind]
    if "one" in data:
        field = "two" if attempt.operation.intent is Intent.ALIAS else "one"
    shown: Object | None = data.get(field)
    return shown


def _object(node: AnswerNode) -> Iterator[tuple[str, str]]:
    fields = types()[node.type_name]
    for name, value in node.shown.items():
        if fields[name] in leaves():
            yield from _leaf(node, name, value)
        else:
            for one in value if isinstance(value, list) else [value]:
                if one is not None:
                    yield from _object(node.child(name, one, fields[name]))
    shape = SHAPES.get(node.type_name)
    if shape is not None:
        yield from ((f"{node.type_name} at {node.path}", sentence) for sentence in shape(node))


def _leaf(node: AnswerNode, name: str, value: Any) -> Iterator[tuple[str, str]]:
    rule = RULES[f"{node.type_name}.{name}"]
    try:
        due = rule(node)
    except NoSuchRowError as error:
        yield f"{node.type_name}.{name}", str(error)
        return
    if due is not ANYTHING and not _is(value, due):
        yield f"{node.type_name}.{name}", f"shows {_text(value)}, not {_text(due)}"


def _is(value: Any, due: object) -> bool:
    match due:
        case OneOf(values=values):
            return any(_is(value, one) for one in values)
        case Between(least_minor=least, most_minor=most):
            return isinstance(value, dict) and least <= _minor(value) <= most
        case Money(minor=minor, currency=currency):
            return isinstance(value, dict) and (_minor(value), value.get("currency")) == (minor, currency)
        case Instant(at=at):
            return isinstance(value, str) and RFC_3339.fullmatch(value) is not None and instant(value) == at
        case _:
            return bool(value == due) and type(value) is type(due)


def _minor(value: Any) -> int:
    return int(value["amount"].replace(".", ""))


def _text(value: object) -> str:
    match value:
        case OneOf(values=values):
            return " or ".join(sorted(map(_text, values))) or "anything that can have been"
        case Instant(at=at):
            return at.isoformat()
        case Money(minor=minor, currency=currency):
            return f"{minor / 100:.2f} {currency}"
        case Between(least_minor=least, most_minor=most):
            return f"{least / 100:.2f} to {most / 100:.2f}"
        case {"amount": amount, "currency": currency}:
            return f"{amount} {currency}"
        case _:
            return repr(value)
