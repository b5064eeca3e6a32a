"""Every action of every user leaves an audit row with user, action, values, address, user agent and time."""

import asyncio
import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from bank.errors import Unavailable
from tests.integration.actions import (
    CPF_GIVEN,
    MUTATIONS,
    NOBODY,
    OWN,
    QUERIES,
    SCHEMA,
    WRONG_PASSWORD,
    Action,
    PopulatedBank,
    document,
    populate,
)
from tests.integration.api import PASSWORD, RunningBank, serving, settings_for
from tests.integration.encryption import plain_rows


@pytest.fixture
async def populated(running_bank: RunningBank) -> PopulatedBank:
    return await populate(running_bank)


async def _rows(populated: PopulatedBank, agent: str) -> list[Any]:
    await populated.bank.caught_up()
    bank = populated.bank.bank
    async with bank.database.connection() as connection:
        rows = await plain_rows(connection, bank.cipher, "select * from audit_logs order by number")
    return [row for row in rows if row["user_agent"] == agent]


def _fits(row: Any, action: Action, populated: PopulatedBank) -> bool:
    old, new = json.loads(row["old_values"] or "{}"), json.loads(row["new_values"])
    user = str(row["user_id"]) if row["user_id"] else None
    return (
        row["action"] == action.action
        and (
            user not in {None, *populated.ids.values()}
            if action.user == "new"
            else user == populated.ids.get(action.user or "")
        )
        and (action.entity is None or str(row["entity_id"]) == action.entity(populated))
        and (action.old or {}).items() <= old.items()
        and action.new.items() <= new.items()
    )


async def _assert_on_record(
    populated: PopulatedBank, query: str, variables: dict[str, Any], action: Action, name: str
) -> None:
    agent = f"the auditor's {name}"
    began = datetime.now(UTC)
    await populated.clients[action.by].send(query, variables, headers={"User-Agent": agent})
    rows = await _rows(populated, agent)
    [row] = [row for row in rows if _fits(row, action, populated)]
    assert row["ip_address"] == "127.0.0.1"
    assert began <= row["created_at"] <= datetime.now(UTC)
    if action.action == "REFUSE":
        # There is no other row of this action.
        assert [json.loads(row["new_values"])["action"] for row in rows] == [name]


def test_every_mutation_and_query_has_an_expected_audit_row() -> None:
    """A new mutation or query needs an entry in tests/integration/actions.py with its audit rows."""
    assert SCHEMA.mutation_type is not None
    assert SCHEMA.query_type is not None
    assert set(SCHEMA.mutation_type.fields) == set(MUTATIONS)
    assert set(SCHEMA.query_type.fields) == set(QUERIES) | OWN
    for name, actions in MUTATIONS.items():
        done = {action.action in {"REFUSE", "LOGIN_FAILED"} for action in actions}
        assert done == {True, False}, f"{name} is not both done and refused"


CASES = [
    pytest.param(name, action, id=f"{name}-{place}-{action.new.get('code', action.action)}")
    for name, actions in MUTATIONS.items()
    for place, action in enumerate(actions)
]


@pytest.mark.parametrize(("mutation", "action"), CASES)
async def test_each_executed_or_refused_mutation_is_recorded(
    populated: PopulatedBank, mutation: str, action: Action
) -> None:
    given = action.given(populated)
    await _assert_on_record(populated, document(mutation), {"input": given} if given else {}, action, mutation)


READS = [
    pytest.param(name, query, action, id=f"{name}-{place}-{action.action}")
    for name, (query, actions) in QUERIES.items()
    for place, action in enumerate(actions)
]


@pytest.mark.parametrize(("name", "query", "action"), READS)
async def test_reads_by_staff_and_refused_reads_of_customers_are_recorded(
    populated: PopulatedBank, name: str, query: str, action: Action
) -> None:
    await _assert_on_record(populated, query, action.given(populated), action, name)


@pytest.mark.parametrize("headers", [{}, {"Cache-Control": "no-cache"}], ids=["cached", "uncached"])
async def test_each_repeated_read_by_staff_is_recorded_with_any_cache(
    populated: PopulatedBank, headers: dict[str, str]
) -> None:
    query, actions = QUERIES["account"]
    for _ in range(3):
        reply = await populated.clients["operator"].send(
            query, actions[0].given(populated), headers={"User-Agent": "again", **headers}
        )
        assert reply.data["account"]["balance"]["amount"] == "90.00"
    rows = await _rows(populated, "again")
    assert [row["action"] for row in rows] == ["READ"] * 3


async def test_the_audit_row_is_written_before_the_answer(populated: PopulatedBank) -> None:
    query, actions = QUERIES["account"]
    await populated.clients["operator"].send(query, actions[0].given(populated), headers={"User-Agent": "now"})
    async with populated.bank.bank.database.connection() as connection:
        told = await plain_rows(
            connection,
            populated.bank.bank.cipher,
            "select metadata ->> 'user_agent' as agent from event_store where event_type = 'StaffReadEvent'",
        )
    assert [row["agent"] for row in told].count("now") == 1


async def test_a_read_that_cannot_be_recorded_shows_nothing(
    populated: PopulatedBank, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(*_events: object) -> None:
        raise Unavailable("It could not be recorded.")

    monkeypatch.setattr(populated.bank.bank.recorder, "record", fail)
    query, actions = QUERIES["account"]
    reply = await populated.clients["operator"].send(query, actions[0].given(populated))
    assert (reply.status, reply.code, "data" in reply.body) == (503, "UNAVAILABLE", False)


async def test_users_read_their_own_data_without_a_record(populated: PopulatedBank) -> None:
    await populated.bank.caught_up()
    async with populated.bank.bank.database.connection() as connection:
        before = await connection.fetchval("select position from event_log_head")
        await populated.clients["ana"].run("Me")
        await populated.clients["ana"].run("AccountHistory", id=populated.a["id"])
        await populated.clients["operator"].run("Me")
        assert await connection.fetchval("select position from event_log_head") == before


async def test_a_reused_refresh_token_closes_the_session_and_is_recorded(populated: PopulatedBank) -> None:
    async def refresh(token: str, agent: str) -> Any:
        given = {"input": {"refreshToken": token}}
        return await populated.bank.client.run("RefreshSession", headers={"User-Agent": agent}, **given)

    await refresh(populated.refresh_token, "first")
    repeated = await refresh(populated.refresh_token, "repeated")
    await refresh(repeated.data["refreshSession"]["tokens"]["refreshToken"], "next")
    for agent in ("stolen", "closed"):
        await refresh(populated.refresh_token, agent)
    agents = ("first", "repeated", "next", "stolen", "closed")
    actions = [[row["action"] for row in await _rows(populated, agent)] for agent in agents]
    assert actions == [["REFRESH"], ["REFRESH"], ["REFRESH"], ["CLOSE_SESSION"], ["REFUSE"]]
    [closed] = await _rows(populated, "stolen")
    assert str(closed["user_id"]) == populated.ids["ana"]


async def test_a_mutation_with_a_closed_session_is_recorded_with_its_owner(populated: PopulatedBank) -> None:
    ana = populated.clients["ana"]
    await ana.run("Logout")
    await ana.send(document("openAccount"), {"input": {"idempotencyKey": "x", "currency": "BRL"}},
                   headers={"User-Agent": "late"})  # fmt: skip
    [row] = await _rows(populated, "late")
    assert (row["action"], str(row["user_id"])) == ("REFUSE", populated.ids["ana"])
    assert json.loads(row["new_values"])["code"] == "UNAUTHENTICATED"


async def test_each_refused_mutation_of_a_document_is_recorded(populated: PopulatedBank) -> None:
    query = """
        mutation($f: FreezeAccountInput!, $o: OpenAccountInput!) {
            one: openAccount(input: $o) { account { transactions(first: 0) { nodes { id } } } }
            two: freezeAccount(input: $f) { __typename }
        }
    """
    given = {
        "f": {"accountNumber": populated.a["number"], "reason": "x"},
        "o": {"idempotencyKey": "x", "currency": "BRL"},
    }
    await populated.clients["ana"].send(query, given, headers={"User-Agent": "several"})
    rows = await _rows(populated, "several")
    # The account was opened. The invalid page size is an error of a read, and refuses no action.
    assert [row["action"] for row in rows] == ["CREATE", "REFUSE"]
    assert json.loads(rows[1]["new_values"])["action"] == "freezeAccount"


async def test_equal_unknown_addresses_have_equal_digests(populated: PopulatedBank) -> None:
    for place, address in enumerate((NOBODY, f" {NOBODY.upper()}", "somebody.else@example.com")):
        given = {"email": address, "password": WRONG_PASSWORD}
        await populated.bank.client.run("Login", input=given, headers={"User-Agent": f"guess {place}"})
    digests = []
    for place in range(3):
        [row] = await _rows(populated, f"guess {place}")
        assert (row["user_id"], row["entity_id"]) == (None, UUID(int=0))
        digests.append(json.loads(row["new_values"])["address_digest"])
    assert digests[0] == digests[1] != digests[2]


async def test_log_and_trail_contain_no_secrets_and_no_personal_data(populated: PopulatedBank) -> None:
    for mutation, actions in MUTATIONS.items():
        for action in actions:
            given = action.given(populated)
            await populated.clients[action.by].send(document(mutation), {"input": given} if given else {})
    await populated.bank.caught_up()
    async with populated.bank.bank.database.connection() as connection:
        kept = [
            row[0]
            for table in ("event_store", "audit_logs")
            for row in await connection.fetch(f"select to_jsonb(t)::text from {table} t")
        ]
        profiles = await plain_rows(connection, populated.bank.bank.cipher, "select full_name, cpf from users")
    tokens = [client.token for client in populated.clients.values() if client.token]
    secrets = [
        PASSWORD,
        WRONG_PASSWORD,
        populated.refresh_token,
        *tokens,
        CPF_GIVEN,
        NOBODY,
        *populated.addresses.values(),
    ]
    assert len(kept) > 100
    for secret in {*secrets, *(text for profile in profiles for text in profile.values() if text)}:
        assert not [text for text in kept if secret.lower() in text.lower()]


@pytest.mark.parametrize("who", ["ana", "nobody"])
async def test_a_mutation_over_get_is_refused_and_recorded(populated: PopulatedBank, who: str) -> None:
    client, agent = populated.clients[who], "a link in a letter"
    headers = {"User-Agent": agent} | ({"Authorization": f"Bearer {client.token}"} if client.token else {})
    parameters = {"query": "mutation { logout { __typename } }"}
    async with client.http.get(f"{client.url}/graphql", params=parameters, headers=headers) as answer:
        assert answer.status == 405
    [row] = await _rows(populated, agent)
    assert (row["action"], str(row["user_id"] or "")) == ("REFUSE", populated.ids.get(who, ""))
    assert json.loads(row["new_values"])["action"] == "logout"
    assert json.loads(row["new_values"])["code"] == "METHOD_NOT_ALLOWED"


async def test_a_user_agent_that_is_not_utf_8_is_recorded_and_served(populated: PopulatedBank) -> None:
    host, _, port = populated.bank.client.url.removeprefix("http://").partition(":")
    body = json.dumps({"query": document("login"), "variables": {"input": {"email": NOBODY, "password": PASSWORD}}})
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(
        b"POST /graphql HTTP/1.1\r\nHost: bank\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b"User-Agent: \xe7\xff agent\r\nContent-Length: " + str(len(body)).encode() + b"\r\n\r\n" + body.encode()
    )
    answer = await reader.read()
    writer.close()
    assert b"200 OK" in answer
    assert b"INTERNAL" not in answer
    [row] = await _rows(populated, "\ufffd\ufffd agent")
    assert row["action"] == "LOGIN_FAILED"


@pytest.mark.parametrize(("trusted", "address"), [("127.0.0.0/8, ::1", "198.51.100.1"), ("", "127.0.0.1")])
async def test_a_record_behind_a_trusted_proxy_has_the_client_address(
    database_url: str, redis_url: str, trusted: str, address: str
) -> None:
    async with serving(settings_for(database_url, redis_url, trusted_proxies=trusted)) as bank:
        given = {"email": NOBODY, "password": WRONG_PASSWORD}
        await bank.client.run("Login", input=given, headers={"X-Forwarded-For": "10.9.8.7, 198.51.100.1"})
        await bank.caught_up()
        async with bank.bank.database.connection() as connection:
            rows = await plain_rows(connection, bank.bank.cipher, "select ip_address from audit_logs")
    assert [row["ip_address"] for row in rows] == [address]
