"""Banking over GraphQL, from the registration to a page of transactions, with the refusals on the way."""

import asyncio
from typing import Any

import pytest

from bank.identifiers import account_number
from tests.integration.api import RunningBank
from tests.integration.encryption import plain_rows


async def _funded(bank: RunningBank, amount: str = "100.00") -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """Return a user with two accounts, the first of which has money."""
    person = await bank.client.person()
    first, second = await person.account("a"), await person.account("b")
    operator = await bank.staff()
    await operator.deposit(first["number"], amount, f"fund-{first['id']}")
    return person, first, second


async def test_a_user_can_register_log_in_open_an_account_transfer_and_read(running_bank: RunningBank) -> None:
    person, first, second = await _funded(running_bank)
    reply = await person.transfer(first["id"], second["number"], "30.25", "t1", description="rent")
    payload = reply.data["transfer"]
    assert payload["userErrors"] == []
    assert payload["balanceAfter"] == {"amount": "69.75", "currency": "BRL"}
    assert payload["transaction"]["fromAccountNumber"] == first["number"]

    me = (await person.run("Me")).data["me"]
    assert [account["balance"]["amount"] for account in me["accounts"]] == ["69.75", "30.25"]

    history = (await person.run("AccountHistory", id=first["id"], first=1)).data["account"]["transactions"]
    assert [edge["change"]["amount"] for edge in history["edges"]] == ["-30.25"]
    assert history["edges"][0]["node"]["description"] == "rent"
    assert history["pageInfo"]["hasNextPage"]
    after = history["pageInfo"]["endCursor"]
    older = (await person.run("AccountHistory", id=first["id"], first=5, after=after)).data["account"]["transactions"]
    assert [(edge["node"]["kind"], edge["balanceAfter"]["amount"]) for edge in older["edges"]] == [
        ("DEPOSIT", "100.00")
    ]
    assert older["edges"][0]["node"]["fromAccountNumber"] is None
    assert not older["pageInfo"]["hasNextPage"]


async def test_a_retry_has_the_same_answer_marked_as_a_replay(running_bank: RunningBank) -> None:
    person, first, second = await _funded(running_bank)
    one = (await person.transfer(first["id"], second["number"], "10.00", "t1")).data["transfer"]
    two = (await person.transfer(first["id"], second["number"], "10.0", "t1")).data["transfer"]
    assert (one.pop("replayed"), two.pop("replayed")) == (False, True)
    assert one == two


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"amount": "-1.00"}, "INVALID_AMOUNT"),
        ({"amount": "0.00"}, "INVALID_AMOUNT"),
        ({"amount": "1.001"}, "INVALID_AMOUNT"),
        ({"amount": "1000000000.00"}, "INVALID_AMOUNT"),
        ({"amount": "100.01"}, "INSUFFICIENT_FUNDS"),
        ({"to_number": "own"}, "SAME_ACCOUNT"),
        ({"to_number": account_number(1, 99_999_999)}, "ACCOUNT_NOT_FOUND"),
        ({"from_id": "01890000-0000-7000-8000-000000000000"}, "ACCOUNT_NOT_FOUND"),
        ({"from_id": "no id at all"}, "ACCOUNT_NOT_FOUND"),
        ({"currency": "USD"}, "CURRENCY_MISMATCH"),
        ({"key": ""}, "INVALID_INPUT"),
        ({"key": "x" * 256}, "INVALID_INPUT"),
        ({"description": "x" * 141}, "INVALID_INPUT"),
    ],
)
async def test_a_wrong_transfer_gets_one_sentence_and_moves_nothing(
    running_bank: RunningBank, change: dict[str, str], code: str
) -> None:
    person, first, second = await _funded(running_bank)
    given = {"from_id": first["id"], "to_number": second["number"], "amount": "1.00", "key": "t1", **change}
    if given["to_number"] == "own":
        given["to_number"] = first["number"]
    reply = await person.transfer(**given)
    payload = reply.data["transfer"]
    assert payload["transaction"] is None
    assert [error["code"] for error in payload["userErrors"]] == [code]
    assert payload["userErrors"][0]["message"].endswith(".")
    assert await person.balance(first["id"]) == "100.00"
    assert await person.balance(second["id"]) == "0.00"


async def test_users_cannot_debit_or_read_accounts_of_others(running_bank: RunningBank) -> None:
    person, first, second = await _funded(running_bank)
    thief = await running_bank.client.person()
    own = await thief.account()
    stolen = await thief.transfer(first["id"], own["number"], "1.00", "t1")
    assert stolen.data["transfer"]["userErrors"][0]["code"] == "ACCOUNT_NOT_FOUND"
    assert (await thief.run("AccountBalance", id=first["id"])).data["account"] is None
    assert (await thief.run("AccountHistory", id=first["id"])).data["account"] is None
    operator = await running_bank.staff()
    assert await operator.balance(first["id"]) == "100.00"
    assert await person.balance(second["id"]) == "0.00"


async def test_only_staff_deposits(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    account = await person.account()
    money = {"amount": "1.00", "currency": "BRL"}
    reply = await person.run(
        "Deposit", input={"idempotencyKey": "d", "accountNumber": account["number"], "amount": money}
    )
    assert reply.code == "FORBIDDEN"
    assert await person.balance(account["id"]) == "0.00"


async def test_two_openings_with_one_key_open_one_account(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    one, two = await asyncio.gather(person.account("k"), person.account("k"))
    assert one["id"] == two["id"]
    assert len((await person.run("Me")).data["me"]["accounts"]) == 1


async def test_a_person_has_twenty_accounts_at_most(running_bank: RunningBank) -> None:
    person = await running_bank.client.person()
    for number in range(20):
        await person.account(str(number))
    reply = await person.run("OpenAccount", input={"idempotencyKey": "20", "currency": "BRL"})
    assert reply.data["openAccount"]["userErrors"][0]["code"] == "ACCOUNT_LIMIT_REACHED"


async def test_every_event_has_one_audit_row_with_client_address_and_values(running_bank: RunningBank) -> None:
    person, first, second = await _funded(running_bank)
    await person.run("Transfer", headers={"X-Correlation-ID": "trace-me", "User-Agent": "tests"}, input={
        "idempotencyKey": "t1", "fromAccountId": first["id"], "toAccountNumber": second["number"],
        "amount": {"amount": "1.00", "currency": "BRL"},
    })  # fmt: skip
    await running_bank.caught_up()
    async with running_bank.bank.database.connection() as connection:
        positions = await connection.fetch("select event_position from audit_logs order by event_position")
        head = await connection.fetchval("select position from event_log_head")
        [updated] = await plain_rows(
            connection, running_bank.bank.cipher,
            "select a.*, e.metadata->>'correlation_id' as correlation_id from audit_logs a"
            " join event_store e on e.position = a.event_position where a.entity_id = $1 and a.action = 'UPDATE'"
            " order by a.event_position desc limit 1", first["id"],
        )  # fmt: skip
    assert [row["event_position"] for row in positions] == list(range(1, head + 1))
    assert updated["old_values"] == '{"version": 1, "balance_minor": 10000}'
    assert updated["new_values"] == '{"version": 2, "balance_minor": 9900}'
    assert (updated["ip_address"], updated["user_agent"]) == ("127.0.0.1", "tests")
    assert updated["correlation_id"] == "trace-me"


async def test_events_in_the_log_equal_the_published_events(running_bank: RunningBank) -> None:
    import msgspec

    inbox = running_bank.bank.bus.subscribe("test")
    inbox.open()
    await _funded(running_bank)
    published = [event for event, _ in inbox.take(after=0, max_events=100)]
    async with running_bank.bank.database.connection() as connection:
        stored = await connection.fetch("select position, event_type, event_data, metadata from event_store order by 1")
    assert len(published) == len(stored)
    assert [(e.position, e.event_type) for e in published] == [(row["position"], row["event_type"]) for row in stored]
    for event, row in zip(published, stored, strict=True):
        assert msgspec.json.decode(row["event_data"]) == msgspec.to_builtins(event.event)
        assert msgspec.json.decode(row["metadata"]) == msgspec.to_builtins(event.metadata)
