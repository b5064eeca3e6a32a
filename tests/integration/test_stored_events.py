"""Stored events of every type equal the encoding by their class, whether Python or SQL wrote them."""

import json
import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiosql
import msgspec
import pytest

from bank.approvals.expire import expire_once as expire_approvals
from bank.encryption.master_key import MasterKey
from bank.events.types.registry import EVENT_TYPES, decode_event
from bank.holds.expire import expire_once
from bank.identity.signing_keys import rotate_signing_key
from bank.ledger import write
from bank.notifications.edit_template import set_template
from bank.privacy.identities import disclose
from tests.integration.api import PASSWORD, Client, RunningBank, serving, settings_for
from tests.integration.every_request import EveryRequest
from tests.integration.payers import SetClock

ROOT = Path(__file__).parents[2]
STORED = """
    select event_type, event_version, aggregate_type, aggregate_id, user_id, event_data
    from event_store order by position
"""


def differences(row: Mapping[str, Any]) -> list[str]:
    """Return the differences between a stored event and the encoding by its class."""
    name = row["event_type"]
    kind = EVENT_TYPES[name]
    if row["event_version"] != kind.event_version:
        return [f"{name}: version {row['event_version']}, not {kind.event_version}"]
    stored, fields = json.loads(row["event_data"]), list(kind.__struct_fields__)
    found = [f"{name}: the class has no {field}" for field in stored.keys() - set(fields)]
    found += [f"{name}: there is no {field}" for field in set(fields) - stored.keys()]
    try:
        event = decode_event(name, row["event_version"], row["event_data"])
    except msgspec.ValidationError as error:
        return [*found, f"{name}: {error}"]
    told = json.loads(msgspec.json.encode(event))
    # The values are compared as text, because in Python 1 equals 1.0 and True.
    found += [
        f"{name}: {field} is {stored[field]!r}, not {told[field]!r}"
        for field in fields
        if field in stored and json.dumps(stored[field]) != json.dumps(told[field])
    ]
    columns = ("aggregate_type", "aggregate_id", "user_id")
    found += [
        f"{name}: {column} is {row[column]}, not {getattr(event, column)}"
        for column in columns
        if row[column] != getattr(event, column)
    ]
    return found


async def stored(bank: RunningBank) -> list[Any]:
    async with bank.bank.database.connection() as connection:
        return list(await connection.fetch(STORED))


async def do_everything(bank: RunningBank, clock: SetClock) -> None:
    """Cause an event of every type, by real actions of users and of the bank."""
    asks = await EveryRequest(bank).next_requests()
    for name in asks:
        await asks[name]()
    login = await bank.client.run("Login", input={"email": "everything@example.com", "password": PASSWORD})
    for passes in (timedelta(0), timedelta(0), timedelta(minutes=1)):  # with the same token: repeated, then stolen
        clock.moment += passes
        refreshed = {"refreshToken": login.data["login"]["tokens"]["refreshToken"]}
        await bank.client.run("RefreshSession", input=refreshed)
    # The sixth failure of one address has a delay, and ten addresses in a minute are suspicious.
    for name in ("nobody",) * 6 + tuple("abcdefghi"):
        given = {"email": f"{name}@example.com", "password": "not this one, I fear"}
        await bank.client.run("Login", input=given)
    master_key = MasterKey(bank.bank.settings.master_key.get_secret_value())
    await rotate_signing_key(bank.bank.uow_factory, master_key, token_life=bank.bank.settings.access_token_life)
    welcome = {"subject": "Hello {{ name }}", "short": "Hello.", "text": "Hello {{ name }}.", "html": "<p>Hello.</p>"}
    assert (await set_template(bank.bank.uow_factory, "welcome", "en", welcome))[1]
    staff, person = await bank.staff(), await bank.client.person()
    account, other = await person.account(), await person.account("b")
    await staff.balance(account["id"])
    await staff.deposit(account["number"], "10.00", "d")
    await _ask_for_approvals(bank, staff, account["number"])
    soon = (clock.now() + timedelta(minutes=5)).isoformat()
    held = {
        "idempotencyKey": "h", "fromAccountId": account["id"], "toAccountNumber": other["number"],
        "amount": {"amount": "1.00", "currency": "BRL"}, "expiresAt": soon, "description": "a room",
    }  # fmt: skip
    assert (await person.run("AuthorizeHold", input=held)).data["authorizeHold"]["hold"]
    await person.transfer(account["id"], other["number"], "1.00", "t", description="lunch")
    assert (await person.run("ExportMyData", input={"format": "TEXT"})).data["exportMyData"]["document"]
    leaver = await bank.client.person()
    assert (await leaver.run("EraseMyData", input={})).data["eraseMyData"]["erased"]
    settings = bank.bank.settings
    async with bank.bank.database.connection() as connection:
        erased = await connection.fetchval("select id from users where erased_at is not null")
    disclosed = await disclose(
        settings.database_url, bank.bank.cipher, bank.bank.recorder, person_id=erased, reason="A court asks."
    )
    assert disclosed.full_name == "Maria da Silva"
    clock.moment += timedelta(days=8)
    await expire_once(bank.bank.ledger, bank.bank.database, clock)
    assert await expire_approvals(bank.bank.uow_factory) == 1
    assert await bank.bank.key_retention.run_once()
    clock.moment += timedelta(days=250)
    assert await bank.bank.data_retention.run_once()
    await bank.caught_up()


async def _ask_for_approvals(bank: RunningBank, staff: Client, number: str) -> None:
    """Make three requests for approval; another member of staff approves one and rejects one."""
    requests = []
    for key in ("approved", "rejected", "expired"):
        deposit = await staff.deposit(number, "60000.00", key)
        requests.append(deposit["approval"]["id"])
    other = await bank.staff()
    approved = {"idempotencyKey": "a", "approvalId": requests[0]}
    assert (await other.run("Approve", input=approved)).data["approve"]["userErrors"] == []
    rejected = {"approvalId": requests[1], "reason": "Too much."}
    assert (await other.run("Reject", input=rejected)).data["reject"]["userErrors"] == []


async def test_every_stored_event_equals_the_encoding_by_its_class(database_url: str, redis_url: str) -> None:
    clock = SetClock()
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        await do_everything(bank, clock)
        rows = await stored(bank)
    happened = {row["event_type"] for row in rows}
    assert happened == EVENT_TYPES.keys(), "let it happen in `do_everything`"
    assert [difference for row in rows for difference in differences(row)] == []
    # SQL writes a missing value as null, and a present value as it is.
    moved = [json.loads(row["event_data"]) for row in rows if row["event_type"] == "TransactionCompletedEvent"]
    for field in ("related_transaction_id", "hold_id", "description_digest"):
        assert {data[field] is None for data in moved} == {True, False}, field


def test_events_are_written_by_two_statements_alone_and_by_one_migration() -> None:
    """One statement writes events that classes have encoded; the other one makes events itself, as tested above."""
    writing = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "bank").rglob("*")
        if path.suffix in {".sql", ".py"} and re.search(r"insert\s+into\s+event_store", path.read_text("utf-8"))
    }
    migration = "bank/database/migrations/versions/0014_encrypted_profiles.py"
    assert writing == {"bank/events/queries.sql", "bank/ledger/queries.sql", migration}


@pytest.mark.parametrize(
    ("right", "wrong", "difference"),
    [
        ("'currency', currency,\n", "'currency', currency, 'more', 1,\n", "BalanceUpdatedEvent: the class has no more"),
        (", 'hold_id', p.hold_id", "", "TransactionInitiatedEvent: there is no hold_id"),
        (
            ", 'description_digest', p.description_digest",
            "",
            "TransactionCompletedEvent: there is no description_digest",
        ),
        (
            "'amount_minor', p.amount_minor,",
            "'amount_minor', CAST(p.amount_minor as text),",
            "TransactionInitiatedEvent: Expected `int`, got `str` - at `$.amount_minor`",
        ),
        (
            "'version', version,",
            "'version', version + 0.0,",
            "BalanceUpdatedEvent: Expected `int`, got `float` - at `$.version`",
        ),
        (
            "'initiated_by', p.initiated_by,",
            "'initiated_by', upper(CAST(p.initiated_by as text)),",
            "TransactionInitiatedEvent: initiated_by is ",
        ),
        (
            "'initiated_by', p.initiated_by,",
            "'initiated_by', null,",
            "TransactionInitiatedEvent: Expected `uuid`, got `null` - at `$.initiated_by`",
        ),
        ("t.event_data, 2 as event_version", "t.event_data, 1 as event_version", "version 1, not 2"),
        ("account_id, 'Account',", "account_id, 'Hold',", "BalanceUpdatedEvent: aggregate_type is Hold, not Account"),
        (
            "'BalanceUpdatedEvent', account_id,",
            "'BalanceUpdatedEvent', transaction_id,",
            "BalanceUpdatedEvent: aggregate_id is ",
        ),
        ("), 1, initiated_by, metadata", "), 1, null, metadata", "BalanceUpdatedEvent: user_id is None, not "),
    ],
)
async def test_a_difference_in_the_sql_is_found(
    running_bank: RunningBank, monkeypatch: pytest.MonkeyPatch, right: str, wrong: str, difference: str
) -> None:
    text = Path(write.__file__).with_name("queries.sql").read_text("utf-8")
    assert text.count(right) == 1
    patched = aiosql.from_str(text.replace(right, wrong), "asyncpg")
    monkeypatch.setattr(write.queries, "write_batch", patched.write_batch)
    account = await (await running_bank.client.person()).account()
    await (await running_bank.staff()).deposit(account["number"], "10.00", "d")
    found = [one for row in await stored(running_bank) for one in differences(row)]
    assert any(difference in one for one in found), found
