"""What the bank counts of requests: each error once, under its code, and nothing where there was none."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from prometheus_client import REGISTRY

from tests.integration.api import Client, RunningBank


def _errors() -> dict[str, float]:
    """Return how many requests were answered with each code so far."""
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


async def test_a_forbidden_request_is_counted_and_a_right_one_is_not(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    account = await person.account()
    given = {"accountNumber": account["number"], "reason": "why not"}
    assert await _counted(lambda: person.run("FreezeAccount", input=given)) == {"FORBIDDEN": 1.0}
    assert await _counted(lambda: person.run("Me")) == {}
    stranger = Client(person.http, person.url, "no token at all")
    assert await _counted(lambda: stranger.run("Me")) == {"UNAUTHENTICATED": 1.0}
