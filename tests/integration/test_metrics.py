"""The metrics and log lines of requests: errors, refusals and failed logins, with labels from fixed sets."""

import asyncio
import re
from collections.abc import Awaitable, Callable
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from graphql import build_schema
from prometheus_client import REGISTRY

from bank.api import http
from bank.api.schema import load_sdl
from bank.telemetry.context import current_context
from tests.integration.api import Client, RunningBank


def _errors() -> dict[str, float]:
    """Return the number of requests that were answered with each code so far."""
    found: dict[str, float] = {}
    for metric in REGISTRY.collect():
        for sample in metric.samples:
            if sample.name == "bank_request_errors_total":
                found[sample.labels["code"]] = found.get(sample.labels["code"], 0.0) + sample.value
    return found


async def _counted(ask: Callable[[], Awaitable[Any]]) -> dict[str, float]:
    before = _errors()
    await ask()
    return {code: count - before.get(code, 0.0) for code, count in _errors().items() if count != before.get(code, 0.0)}


@pytest.mark.parametrize(
    ("document", "code"),
    [
        ("{ me { id } }", "UNAUTHENTICATED"),
        ("{ nonsense }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ me { ", "GRAPHQL_PARSE_FAILED"),
        ("query Q($id: ID!) { account(id: $id) { id } }", "BAD_INPUT"),
        ("mutation { logout { closed } }", "UNAUTHENTICATED"),
    ],
)
async def test_each_request_that_is_answered_with_an_error_is_counted_once(
    running_bank: RunningBank, document: str, code: str
) -> None:
    assert await _counted(lambda: running_bank.client.send(document)) == {code: 1.0}


async def test_a_forbidden_request_is_counted_and_a_permitted_one_is_not(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    account = await person.account()
    given = {"accountNumber": account["number"], "reason": "why not"}
    assert await _counted(lambda: person.run("FreezeAccount", input=given)) == {"FORBIDDEN": 1.0}
    assert await _counted(lambda: person.run("Me")) == {}
    stranger = Client(person.http, person.url, "no token at all")
    assert await _counted(lambda: stranger.run("Me")) == {"UNAUTHENTICATED": 1.0}


def _series() -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    """Return every series of the bank, with its name and labels."""
    return {
        (sample.name, tuple(sorted(sample.labels.items())))
        for metric in REGISTRY.collect()
        if metric.name.startswith("bank_")
        for sample in metric.samples
    }


def _operations() -> set[str]:
    return {str(value) for _, labels in _series() for label, value in labels if label == "operation"}


async def test_the_operation_labels_of_the_metrics_are_a_fixed_set(running_bank: RunningBank) -> None:
    schema = build_schema(load_sdl())
    assert schema.query_type
    assert schema.mutation_type
    fields = {*schema.query_type.fields, *schema.mutation_type.fields}
    for roots in combinations(["me { id }", 'account(id: "x") { id }', "auditLogs { nodes { id } }", "__typename"], 2):
        await running_bank.client.send("{ " + " ".join(roots) + " }")
        await running_bank.client.send("query Mine { a: " + roots[0] + " b: " + roots[1] + " }")
    await running_bank.client.send("{ __schema { types { name } } }")
    await running_bank.client.send("{ nonsense }")
    assert _operations() <= fields | {"multiple", "introspection", "refused", "broken"}
    assert {"multiple", "introspection", "refused"} <= _operations()


def _count(name: str, **labels: str) -> float:
    return REGISTRY.get_sample_value(name, labels) or 0.0


async def test_refusals_are_counted_by_operation_and_code_and_logged(
    running_bank: RunningBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines: list[dict[str, Any]] = []
    monkeypatch.setattr(http.logger, "info", lambda event, **line: lines.append({"event": event, **line}))
    person = await running_bank.client.person()
    account, other = await person.account("a"), await person.account("b")
    labels = {"operation": "transfer", "code": "INSUFFICIENT_FUNDS"}
    before = _count("bank_refusals_total", **labels)
    await person.transfer(account["id"], other["number"], "1.00", "t")
    assert _count("bank_refusals_total", **labels) == before + 1
    line = lines[-1]
    assert (line["operation"], line["outcome"], line["error"]) == ("transfer", "refused", "INSUFFICIENT_FUNDS")
    # This also holds if the client did not request userErrors.
    await person.send('mutation { login(input: {email: "a@example.com", password: "x"}) { tokens { accessToken } } }')
    assert (lines[-1]["outcome"], lines[-1]["error"]) == ("refused", "INVALID_CREDENTIALS")
    await person.run("Me")
    assert (lines[-1]["outcome"], lines[-1]["error"]) == ("done", None)


async def test_failed_logins_are_counted_by_reason(running_bank: RunningBank) -> None:
    person = await running_bank.client.person(email="somebody@example.com")
    for email, reason in (("somebody@example.com", "wrong_password"), ("nobody@example.com", "unknown_address")):
        before = _count("bank_failed_logins_total", reason=reason)
        await person.run("Login", input={"email": email, "password": "not the right one"})
        assert _count("bank_failed_logins_total", reason=reason) == before + 1
    before = _count("bank_failed_logins_total", reason="locked")
    # Five failures are free, the sixth begins a delay, and the seventh is within it.
    for _ in range(6):
        await person.run("Login", input={"email": "somebody@example.com", "password": "not the right one"})
    assert _count("bank_failed_logins_total", reason="locked") == before + 1


async def test_the_log_of_a_request_names_the_user_who_was_logged_in(
    running_bank: RunningBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    users: list[Any] = []
    monkeypatch.setattr(http.logger, "info", lambda _event, **_line: users.append(current_context()))
    person = await running_bank.client.person()
    me = (await person.run("Me")).data["me"]["id"]
    assert str(users[-1].actor_id) == me
    await running_bank.client.run("Me")
    assert users[-1].actor_id is None


async def test_every_loop_of_a_worker_has_metrics_and_is_documented(running_bank: RunningBank) -> None:
    page = (Path(__file__).parents[2] / "docs" / "monitoring.md").read_text("utf-8")
    rows = page[page.index("| loop | what it does") :].split("\n\n")[0]
    documented = {name for row in rows.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split("|")[1])}
    run = {task.get_name() for task in asyncio.all_tasks() if not task.get_name().startswith("Task-")}
    # These loops need a signing key, embedded servers, or `bank events`.
    assert documented == run | {"audit_signing", "own_servers", "takeover"}
    for name in run:
        # Other tests of this process may have made a loop fail: the series exists, whatever its value.
        labels = {"loop": name, "kind": "unexpected"}
        assert REGISTRY.get_sample_value("bank_loop_failures_total", labels) is not None, name
