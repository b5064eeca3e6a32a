"""GraphQL over HTTP: status codes, media types, correlation ids, health, metrics, and the limits of a request."""

import asyncio
from typing import Any

import aiohttp
import pytest
from yarl import URL

from bank.transfers import transfer
from tests.integration.api import RunningBank

JSON = {"Content-Type": "application/json"}


async def _post(bank: RunningBank, body: bytes | str, **headers: str) -> tuple[int, Any, Any]:
    async with bank.client.http.post(f"{bank.client.url}/graphql", data=body, headers={**JSON, **headers}) as response:
        return response.status, response.headers, await response.json(content_type=None)


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"{", 400),
        (b"", 400),
        (b"[]", 400),
        (b'{"query": 5}', 400),
        (b"{}", 400),
        (b'{"query": "{me{id}}", "variables": []}', 400),
        (b"\xff\xfe", 400),
        (b'{"query": "{me{id}}", "variables": {"a": 1, "a": 2}}', 400),
        (b"[" * 100_000, 400),
        (b'{"query": "{me{id}}", "variables": ' + b'{"a":' * 20_000 + b"1" + b"}" * 20_001, 400),
        (b"x" * 200_000, 413),
    ],
)
async def test_a_malformed_request_gets_one_sentence(running_bank: RunningBank, body: bytes, status: int) -> None:
    found, _, answer = await _post(running_bank, body)
    assert found == status
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_INPUT"]
    assert "data" not in answer


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/graphql",
        "text/plain; charset=application/json",
    ],
)
async def test_a_mutation_in_another_content_type_is_not_executed(running_bank: RunningBank, content_type: str) -> None:
    # A page of another site can send forms and plain text without asking the browser for permission (CSRF).
    person = await running_bank.client.person()
    logout = b'{"query": "mutation { logout { closed } }"}'
    headers = {"Content-Type": content_type, "Authorization": f"Bearer {person.token}"}
    status, _, answer = await _post(running_bank, logout, **headers)
    assert (status, answer["errors"][0]["extensions"]["code"]) == (415, "BAD_INPUT")
    assert (await person.run("Me")).status == 200


async def test_an_unknown_operation_is_refused(running_bank: RunningBank) -> None:
    reply = await running_bank.client.send("query A { me { id } }", operationName="B")
    assert (reply.status, reply.code) == (400, "OPERATION_NOT_FOUND")


async def test_get_runs_queries_and_no_mutations(running_bank: RunningBank) -> None:
    url = f"{running_bank.client.url}/graphql"
    async with running_bank.client.http.get(url, params={"query": "{ __typename }"}) as response:
        assert (response.status, await response.json()) == (200, {"data": {"__typename": "Query"}})
    async with running_bank.client.http.get(url, params={"query": "mutation { logout { closed } }"}) as response:
        assert (response.status, response.headers["Allow"]) == (405, "POST")
    person = await running_bank.client.person()
    sent = {"Authorization": f"Bearer {person.token}"}
    parameters = {"query": "mutation { logout { closed } }"}
    async with running_bank.client.http.get(url, params=parameters, headers=sent) as response:
        assert response.status == 405
    assert (await person.run("Me")).status == 200


async def test_a_request_with_a_repeated_amount_moves_no_money(running_bank: RunningBank) -> None:
    mutation = "mutation ($i: TransferInput!) { transfer(input: $i) { replayed } }"
    for name in ("amount", "\\u0061mount"):
        variables = f'{{"i": {{"amount": {{"amount": "1.00", "{name}": "9.00", "currency": "BRL"}}}}}}'
        status, _, answer = await _post(running_bank, f'{{"query": "{mutation}", "variables": {variables}}}')
        message = "A member comes twice in an object of the JSON: amount."
        assert (status, [error["message"] for error in answer["errors"]]) == (400, [message])


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("query={me{id}}&query={me{id}}", "The parameter query comes twice."),
        ("query={me{id}}&operationName=A&operationName=A", "The parameter operationName comes twice."),
        ("query={me{id}}&variables={}&variables={}", "The parameter variables comes twice."),
        ("query={me{id}}&variables=%5B%5D", "The parameter variables is not a JSON object."),
        ("query={me{id}}&variables=%7B", "The parameter variables is not a JSON object."),
        ("query={me{id}}&extensions=%7B", "The parameter extensions is not a JSON object."),
        ("query={me{id}}&extensions=1", "The parameter extensions is not a JSON object."),
        ("query={me{id}}&variables=%FF", "The parameter variables is not a JSON object."),
        ("query={me{id}}&variables=%22%ED%A0%80%22", "The parameter variables is not a JSON object."),
        (
            "query={me{id}}&variables=%7B%22a%22:1,%22%5Cu0061%22:2%7D",
            "The parameter variables: A member comes twice in an object of the JSON: a.",
        ),
        (
            "query={me{id}}&variables=%7B%22a%22:1e400%7D",
            "The parameter variables: Variable $a is a number out of range.",
        ),
    ],
)
async def test_ambiguous_url_parameters_are_refused(running_bank: RunningBank, query: str, message: str) -> None:
    url = URL(f"{running_bank.client.url}/graphql?{query}", encoded=True)
    async with running_bank.client.http.get(url) as response:
        answer = await response.json()
    assert (response.status, [error["message"] for error in answer["errors"]]) == (400, [message])


async def test_a_number_out_of_range_is_named_by_variable_and_field(running_bank: RunningBank) -> None:
    variables = '{"i": {"transfers": [{"amount": {"amount": -1e400}}]}}'
    status, _, answer = await _post(running_bank, f'{{"query": "{{ me {{ id }} }}", "variables": {variables}}}')
    message = "Variable $i.transfers[0].amount.amount is a number out of range."
    assert (status, [error["message"] for error in answer["errors"]]) == (400, [message])


async def test_a_legacy_client_gets_200_and_a_modern_one_the_status(running_bank: RunningBank) -> None:
    query = '{"query": "{ nonsense }"}'
    legacy, headers, _ = await _post(running_bank, query)
    assert (legacy, headers["Content-Type"]) == (200, "application/json; charset=utf-8")
    modern, headers, _ = await _post(running_bank, query, Accept="application/graphql-response+json")
    assert (modern, headers["Content-Type"]) == (400, "application/graphql-response+json; charset=utf-8")


async def test_the_correlation_id_comes_back_in_header_and_errors(running_bank: RunningBank) -> None:
    _, headers, answer = await _post(running_bank, '{"query": "{ me { id } }"}', **{"X-Correlation-ID": "abc-123"})
    assert headers["X-Correlation-ID"] == answer["errors"][0]["extensions"]["correlationId"] == "abc-123"
    _, headers, answer = await _post(running_bank, '{"query": "{ me { id } }"}', **{"X-Correlation-ID": "a b"})
    assert headers["X-Correlation-ID"] == answer["errors"][0]["extensions"]["correlationId"] != "a b"


async def test_an_internal_error_shows_nothing_of_itself(
    running_bank: RunningBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await running_bank.client.person()
    account = await person.account()

    def explode(*_: object) -> None:
        raise RuntimeError("select secret from vault")

    monkeypatch.setattr(transfer, "check_amount", explode)
    reply = await person.transfer(account["id"], account["number"], "1.00", "t")
    assert reply.code == "INTERNAL"
    assert "secret" not in str(reply.body)


async def test_a_database_that_is_busy_answers_503_and_recovers(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    pool_size = running_bank.bank.settings.database_pool_size
    async with asyncio.timeout(10):
        held = [running_bank.bank.database.connection() for _ in range(pool_size)]
        for connection in held[:-1]:
            await connection.__aenter__()
        replies = await asyncio.gather(*[person.run("Me", headers={"Cache-Control": "no-cache"}) for _ in range(4)])
        await held[-1].__aenter__()
        busy = await person.run("Me", headers={"Cache-Control": "no-cache"})
        assert (busy.status, busy.code) == (503, "OVERLOADED")
        assert busy.headers["Retry-After"] == "1"
        assert busy.body["errors"][0]["extensions"]["retryable"]
        for connection in held:
            await connection.__aexit__(None, None, None)
    assert all(reply.status in {200, 503} for reply in replies)
    assert (await person.run("Me")).status == 200


async def test_health_and_metrics(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    await person.run("Me")
    async with running_bank.client.http.get(f"{running_bank.client.url}/health/live") as live:
        assert live.status == 200
    async with running_bank.client.http.get(f"{running_bank.client.url}/health/ready") as ready:
        assert await ready.json() == {"status": "ok", "database": "ok", "redis": "ok"}
    async with running_bank.client.http.get(f"{running_bank.client.url}/metrics") as metrics:
        text = await metrics.text()
    assert 'bank_cache_requests_total{result="miss"}' in text
    assert 'bank_request_seconds_count{cache="none",operation="login"}' in text


HOSTILE = {
    "60,000 nested fields": "{a" * 60_000 + "}" * 60_000,
    "5,000 deep": "{a" * 5_000 + "}" * 5_000,
    "exponential fragments": "query { me { ...f0 } } "
    + " ".join(f"fragment f{i} on User {{ ...f{i + 1} ...f{i + 1} }}" for i in range(18))
    + " fragment f18 on User { id }",
    "a fragment that contains itself": "{ me { ...f } } fragment f on User { ...f }",
    "10,000 aliases": "{" + " ".join(f"a{i}: __typename" for i in range(10_000)) + "}",
    "2,000 aliases of one field": "{ me {" + " ".join(f"a{i}: id" for i in range(1_900)) + "} }",
    "many equal fields": "{ me {" + "accounts { id } " * 400 + "} }",
    "deep list literal": '{ account(id: "x") { transactions(first: '
    + "[" * 3_000
    + "]" * 3_000
    + ") { nodes { id } } } }",
}


@pytest.mark.parametrize("document", HOSTILE.values(), ids=HOSTILE.keys())
async def test_a_hostile_document_is_refused_and_the_server_continues(running_bank: RunningBank, document: str) -> None:
    reply = await running_bank.client.send(document)
    assert reply.status in {400, 413}
    assert reply.body["errors"][0]["message"]
    assert (await running_bank.client.send("{ __typename }")).data == {"__typename": "Query"}


async def test_a_disconnected_client_leaves_no_open_transaction(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    first, second = await person.account("a"), await person.account("b")
    await (await running_bank.staff()).deposit(first["number"], "10.00", "d")
    for number in range(10):
        timeout = aiohttp.ClientTimeout(total=0.001 * (number + 1))
        async with aiohttp.ClientSession(timeout=timeout) as http:
            person.http = http
            with pytest.raises((TimeoutError, aiohttp.ClientError, AssertionError)):
                while True:
                    await person.transfer(first["id"], second["number"], "0.01", f"t{number}")
    person.http = running_bank.client.http
    await running_bank.caught_up()
    # The requests in flight finish first, sooner than PostgreSQL would end an abandoned transaction.
    async with asyncio.timeout(4), running_bank.bank.database.connection() as connection:
        in_transaction = (
            "select exists (select from pg_stat_activity where datname = current_database() and state like 'idle in %')"
        )
        while await connection.fetchval(in_transaction):
            await asyncio.sleep(0.02)
    assert (await person.transfer(first["id"], second["number"], "0.01", "last")).data["transfer"]["userErrors"] == []
