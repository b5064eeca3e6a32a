"""A retry is safe: each key has one effect and returns the first outcome again, even after other changes in between."""

import asyncio
import json
from datetime import timedelta
from typing import Any

import pytest

import contracts
from tests.integration.api import PASSWORD, Client, RunningBank, serving, settings_for
from tests.integration.payers import Payer, SetClock, codes, keys_of, payer_at, without_mark

TRANSFER = (contracts.OPERATIONS / "Transfer.graphql").read_text()


@pytest.fixture
async def payer(running_bank: RunningBank) -> Payer:
    return await payer_at(running_bank)


async def test_the_first_call_has_its_effect_and_is_not_marked_as_a_replay(payer: Payer) -> None:
    payload = await payer.paid("k")
    assert payload["userErrors"] == []
    assert payload["replayed"] is False
    assert await payer.balances() == ("90.00", "10.00")


async def test_a_replay_equals_the_first_answer_except_its_mark(payer: Payer, running_bank: RunningBank) -> None:
    async def body() -> bytes:
        sent = {"query": TRANSFER, "variables": {"input": payer.input("k", description='"rent" & ção \u2603 🏦')}}
        authorized = {"Authorization": f"Bearer {payer.client.token}"}
        url = f"{running_bank.client.url}/graphql"
        async with running_bank.client.http.post(url, json=sent, headers=authorized) as response:
            return await response.read()

    first = await body()
    await payer.pay("something else meanwhile", "1.00")
    again = await body()
    assert b'"replayed":true' in again
    assert again.replace(b'"replayed":true', b'"replayed":false') == first
    assert await payer.balances() == ("89.00", "11.00")


async def test_a_missing_key_is_an_error_of_the_document_or_its_variables_without_an_effect(
    payer: Payer, running_bank: RunningBank
) -> None:
    in_variables = await payer.client.run("Transfer", input=payer.input(None))
    null = await payer.client.run("Transfer", input={**payer.input(None), "idempotencyKey": None})
    in_document = await payer.client.send(
        f'mutation {{ transfer(input: {{ fromAccountId: "{payer.first["id"]}", toAccountNumber:'
        f' "{payer.second["number"]}", amount: {{ amount: "10.00", currency: "BRL" }} }}) {{ replayed }} }}'
    )
    opening = await payer.client.run("OpenAccount", input={"currency": "BRL"})
    assert (in_variables.code, null.code, opening.code) == ("BAD_INPUT", "BAD_INPUT", "BAD_INPUT")
    assert in_document.code == "GRAPHQL_VALIDATION_FAILED"
    for reply in (in_variables, null, in_document, opening):
        assert "idempotencyKey" in reply.body["errors"][0]["message"]
        assert not reply.body["errors"][0]["extensions"]["retryable"]
    assert await payer.balances() == ("100.00", "0.00")
    assert len((await payer.client.run("Me")).data["me"]["accounts"]) == 2


MALFORMED = {
    "empty": "",
    "256 characters": "x" * 256,
    "65,000 characters": "x" * 65_000,
    "a control character": "tab\there",
    "a line": "one\ntwo",
    "an invisible separator": "zero\u200bwidth",
}


@pytest.mark.parametrize("key", MALFORMED.values(), ids=MALFORMED)
async def test_a_malformed_key_is_refused_and_not_stored(payer: Payer, running_bank: RunningBank, key: str) -> None:
    operator = await running_bank.staff()
    refused = [
        await payer.paid(key),
        (await payer.client.run("OpenAccount", input={"idempotencyKey": key, "currency": "BRL"})).data["openAccount"],
        await operator.deposit(payer.first["number"], "1.00", key),
    ]
    for payload in refused:
        assert codes(payload) == ["INVALID_INPUT"]
        assert payload["userErrors"][0]["field"] == ["input", "idempotencyKey"]
        assert payload["replayed"] is False
    assert await payer.balances() == ("100.00", "0.00")
    async with running_bank.bank.database.connection() as connection:
        rows = await connection.fetch("select key from idempotency_keys")
    assert {row["key"] for row in rows} == {"a", "b", f"fund-{payer.first['id']}"}


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800", "\\udc00x"])
async def test_a_key_of_another_type_is_an_error_of_its_variable_and_not_stored(
    payer: Payer, running_bank: RunningBank, escape: str
) -> None:
    body = json.dumps({"query": TRANSFER, "variables": {"input": payer.input("KEY")}}).replace("KEY", f"k{escape}")
    answer = await send_text(payer, body)
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["BAD_INPUT"]
    assert await payer.balances() == ("100.00", "0.00")
    async with running_bank.bank.database.connection() as connection:
        assert await connection.fetchval("select count(*) from idempotency_keys where operation = 'transfer'") == 0


async def send_text(payer: Payer, body: str) -> Any:
    """Send the text of a request without changes. Returns the response."""
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {payer.client.token}"}
    async with payer.client.http.post(f"{payer.client.url}/graphql", data=body, headers=headers) as response:
        return await response.json(content_type=None)


@pytest.mark.parametrize("key", ["x" * 255, "\u00e7" * 255, "🏦" * 255, "with a space", " "])
async def test_a_key_of_up_to_255_printable_characters_of_any_kind_works(payer: Payer, key: str) -> None:
    first, again = await payer.paid(key), await payer.paid(key)
    assert (codes(first), first["replayed"], again["replayed"]) == ([], False, True)


async def test_keys_are_compared_character_by_character(payer: Payer) -> None:
    for key in ("key", "Key", "key ", "cafe\u0301", "caf\u00e9"):
        assert not (await payer.paid(key, "1.00"))["replayed"]
    assert await payer.balances() == ("95.00", "5.00")


async def test_the_same_key_with_other_content_is_refused_and_changes_nothing(payer: Payer) -> None:
    other = await payer.client.account("c")
    first = await payer.paid("k", description="rent")
    for changed in (
        payer.input("k", "10.01", description="rent"),
        payer.input("k", "1000.00", description="rent"),
        payer.input("k", description="Rent"),
        payer.input("k"),
        {**payer.input("k", description="rent"), "toAccountNumber": other["number"]},
        {**payer.input("k", description="rent"), "fromAccountId": other["id"]},
    ):
        payload = (await payer.client.run("Transfer", input=changed)).data["transfer"]
        assert codes(payload) == ["IDEMPOTENCY_KEY_REUSED"], changed
        assert payload["userErrors"][0]["field"] == ["input", "idempotencyKey"]
        assert (payload["transaction"], payload["replayed"]) == (None, False)
    assert await payer.balances() == ("90.00", "10.00")
    again = await payer.paid("k", description="rent")
    assert (without_mark(again), again["replayed"]) == (without_mark(first), True)


async def test_the_same_content_spelled_differently_is_a_replay(payer: Payer) -> None:
    first = await payer.paid("k", "10.5")
    given = payer.input("k", "10.50")
    reordered = {name: given[name] for name in sorted(given, reverse=True)}
    reordered["amount"] = {"currency": "BRL", "amount": "10.50"}
    upper = {**given, "fromAccountId": payer.first["id"].upper()}
    bodies = [
        json.dumps({"query": TRANSFER, "variables": {"input": reordered}}),
        json.dumps({"variables": {"input": given}, "query": TRANSFER}, indent=7),
        json.dumps({"query": TRANSFER, "variables": {"input": given}}, separators=(",", ":")),
        json.dumps({"query": TRANSFER, "variables": {"input": {**given, "description": None}}}),
        json.dumps({"query": TRANSFER, "variables": {"input": upper}}),
        json.dumps({"query": TRANSFER, "variables": {"input": payer.input("k", "010.500"[1:6])}}),
        json.dumps({"query": in_one_line(given)}),
    ]
    for body in bodies:
        payload = (await send_text(payer, body))["data"]["transfer"]
        assert payload["replayed"], body
        assert payload["transaction"]["id"] == first["transaction"]["id"]
    assert await payer.balances() == ("89.50", "10.50")


def in_one_line(given: dict[str, Any]) -> str:
    """Write a transfer with its input in the document instead of in the variables."""
    return (
        f'mutation{{transfer(input:{{amount:{{currency:"BRL",amount:"10.50"}},toAccountNumber:'
        f'"{given["toAccountNumber"]}",fromAccountId:"{given["fromAccountId"]}",idempotencyKey:"k"}})'
        "{transaction{id} replayed userErrors{code}}}"
    )


async def test_the_same_key_of_another_caller_is_another_key(payer: Payer, running_bank: RunningBank) -> None:
    other = await payer_at(running_bank)
    await payer.pay("k")
    payload = await other.paid("k", "25.00")
    assert (codes(payload), payload["replayed"]) == ([], False)
    assert await payer.balances() == ("90.00", "10.00")
    assert await other.balances() == ("75.00", "25.00")


async def test_fifty_concurrent_requests_with_one_key_have_one_effect_and_49_replays(
    database_url: str, redis_url: str
) -> None:
    settings = settings_for(database_url, redis_url)
    async with serving(settings) as one, serving(settings) as two:
        payer = await payer_at(one)
        elsewhere = Payer(Client(two.client.http, two.client.url, payer.client.token), payer.first, payer.second)
        payloads = await asyncio.gather(*[(payer, elsewhere)[number % 2].paid("k") for number in range(50)])
        assert sum(not payload["replayed"] for payload in payloads) == 1
        assert all(without_mark(payload) == without_mark(payloads[0]) for payload in payloads)
        assert await payer.balances() == ("90.00", "10.00")


async def test_fifty_concurrent_different_requests_with_one_key_have_one_effect(payer: Payer) -> None:
    payloads = await asyncio.gather(*[payer.paid("k", f"{number}.00") for number in range(1, 51)])
    [done] = [payload for payload in payloads if payload["transaction"]]
    assert sum(codes(payload) == ["IDEMPOTENCY_KEY_REUSED"] for payload in payloads) == 49
    amount = done["transaction"]["amount"]["amount"]
    assert (await payer.balances())[1] == amount


async def test_a_refusal_is_replayed_after_the_account_received_money(payer: Payer, running_bank: RunningBank) -> None:
    refused = await payer.paid("k", "150.00")
    await (await running_bank.staff()).deposit(payer.first["number"], "500.00", "d")
    again = await payer.paid("k", "150.00")
    assert codes(refused) == ["INSUFFICIENT_FUNDS"]
    assert (refused["replayed"], again["replayed"]) == (False, True)
    assert without_mark(again) == without_mark(refused)
    assert codes(await payer.paid("another key", "150.00")) == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"amount": "0.00"}, "INVALID_AMOUNT"),
        ({"amount": "10.001"}, "INVALID_AMOUNT"),
        ({"amount": "10.00", "description": "x" * 141}, "INVALID_INPUT"),
    ],
)
async def test_an_invalid_request_is_not_stored(
    payer: Payer, running_bank: RunningBank, wrong: dict[str, str], code: str
) -> None:
    for _ in range(2):
        payload = await payer.paid("k", **wrong)
        assert (codes(payload), payload["replayed"]) == ([code], False)
    assert await keys_of(running_bank, "k") == set()
    assert not (await payer.paid("k"))["replayed"]


async def test_an_opening_in_an_unsupported_currency_leaves_the_key_unused(
    payer: Payer, running_bank: RunningBank
) -> None:
    wrong = await payer.client.run("OpenAccount", input={"idempotencyKey": "k", "currency": "USD"})
    assert codes(wrong.data["openAccount"]) == ["CURRENCY_MISMATCH"]
    assert await keys_of(running_bank, "k") == set()
    assert (await payer.client.account("k"))["currency"] == "BRL"


TWO_ALIASES = """
mutation ($one: TransferInput!, $two: TransferInput!) {
  one: transfer(input: $one) { transaction { id } replayed userErrors { code } }
  two: transfer(input: $two) { transaction { id } replayed userErrors { code } }
}
"""


async def test_two_aliases_with_one_key_are_a_call_and_its_replay(payer: Payer) -> None:
    reply = await payer.client.send(TWO_ALIASES, {"one": payer.input("k"), "two": payer.input("k", "10.0")})
    one, two = reply.data["one"], reply.data["two"]
    assert (one["replayed"], two["replayed"]) == (False, True)
    assert one["transaction"] == two["transaction"]
    assert await payer.balances() == ("90.00", "10.00")


async def test_two_aliases_with_one_key_and_different_content_are_a_call_and_a_conflict(payer: Payer) -> None:
    reply = await payer.client.send(TWO_ALIASES, {"one": payer.input("k"), "two": payer.input("k", "20.00")})
    assert codes(reply.data["one"]) == []
    assert codes(reply.data["two"]) == ["IDEMPOTENCY_KEY_REUSED"]
    assert await payer.balances() == ("90.00", "10.00")


async def test_a_retry_with_a_refreshed_token_or_from_another_session_is_a_replay(
    database_url: str, redis_url: str
) -> None:
    clock = SetClock()
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        await bank.client.person(email="ana@example.com")
        login = await bank.client.run("Login", input={"email": "ana@example.com", "password": PASSWORD})
        tokens = login.data["login"]["tokens"]
        person = Client(bank.client.http, bank.client.url, tokens["accessToken"])
        payer = Payer(person, await person.account("a"), await person.account("b"))
        await (await bank.staff()).deposit(payer.first["number"], "100.00", "d")
        first = await payer.paid("k")

        clock.moment += timedelta(minutes=16)
        assert (await payer.pay("k")).code == "UNAUTHENTICATED"
        refreshed = await bank.client.run("RefreshSession", input={"refreshToken": tokens["refreshToken"]})
        another = await bank.client.login("ana@example.com")
        for token in (refreshed.data["refreshSession"]["tokens"]["accessToken"], another.token):
            payer.client.token = token
            again = await payer.paid("k")
            assert (again["replayed"], without_mark(again)) == (True, without_mark(first))
        assert await payer.balances() == ("90.00", "10.00")
