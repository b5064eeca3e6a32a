"""Every event field, log key and metric label is classified, and no classification is out of date."""

import ast
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

from prometheus_client import REGISTRY

from bank.events.event import EventMetadata
from bank.events.types.registry import EVENT_TYPES
from bank.privacy.classify import (
    EVENT_FIELDS,
    LOG_KEYS,
    METADATA,
    METRIC_LABELS,
    DataClass,
    unclassified,
)

ROOT = Path(__file__).parents[2]
METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
# Keys that structlog and `bank.telemetry.logs` add to every line, or to a line with an exception.
ADDED = {"level", "timestamp", "event", "correlation_id", "user_id", "exception"}
# The keys of `**` are the reasons for which connections are closed, constants of this file.
EXPANDED = {"bank/api/connection_limits.py"}


def _log_calls(path: Path) -> Iterator[ast.Call]:
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in METHODS):
            continue
        if isinstance(node.func.value, ast.Name) and node.func.value.id == "logger":
            yield node


def _log_keys() -> set[str]:
    keys = set(ADDED)
    for path in (ROOT / "bank").rglob("*.py"):
        for call in _log_calls(path):
            for keyword in call.keywords:
                if keyword.arg is None:
                    name = str(path.relative_to(ROOT))
                    assert name in EXPANDED, f"{name} logs keys that cannot be read from its text"
                else:
                    keys.add(keyword.arg)
    return keys


def test_every_event_field_is_classified() -> None:
    fields = {name: set(kind.__struct_fields__) for name, kind in EVENT_TYPES.items()}
    assert unclassified(fields, EVENT_FIELDS) == []
    assert unclassified({"metadata": set(EventMetadata.__struct_fields__)}, {"metadata": METADATA}) == []


def test_every_log_key_is_classified() -> None:
    assert unclassified({"log": _log_keys()}, {"log": LOG_KEYS}) == []


def test_every_metric_label_is_classified() -> None:
    import_module("bank.app")  # registers every metric
    labels = {
        label
        for collector, names in REGISTRY._collector_to_names.items()
        if any(name.startswith("bank_") for name in names)
        for label in collector._labelnames  # type: ignore[attr-defined]  # no public name
    }
    assert unclassified({"metric": labels}, {"metric": METRIC_LABELS}) == []


def test_an_event_has_no_readable_personal_data() -> None:
    readable = {DataClass.DELETABLE, DataClass.MASKED, DataClass.SECRET_DIGEST, DataClass.WRAPPED_KEY}
    classes = {data_class for fields in EVENT_FIELDS.values() for data_class in fields.values()}
    assert (classes | set(METADATA.values())).isdisjoint(readable)


def test_no_metric_label_is_about_a_person() -> None:
    assert set(METRIC_LABELS.values()) == {DataClass.NOT_PERSONAL}


def test_a_name_that_is_not_classified_is_named_in_a_sentence() -> None:
    classified = {"users": {"id": DataClass.PSEUDONYMOUS, "nickname": DataClass.DELETABLE}}
    assert unclassified({"users": {"id", "birthday"}}, classified) == [
        "users.birthday is not classified in bank/privacy/classify.py.",
        "users.nickname is classified, but does not exist.",
    ]
