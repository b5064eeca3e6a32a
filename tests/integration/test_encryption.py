"""Personal data that cannot be deleted is stored encrypted, and whoever may see it reads it in clear."""

import asyncio
import re
import uuid
from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest
from cachetools import TTLCache
from pydantic import SecretStr

from bank.clock import SystemClock
from bank.database.pool import Database
from bank.encryption.keys import CHANNEL, DataKeys
from bank.encryption.master_key import MasterKey, WrongMasterKey
from bank.errors import BankError
from bank.identity.roles import change_role
from tests.integration.api import PASSWORD, Client, RunningBank, serving, settings_for
from tests.integration.encryption import MASTER_KEY

DESCRIPTION = "canary-description of a rent"
REASON = "canary-reason of a reversal"
AGENT = {"User-Agent": "canary-agent 7.1"}
CANARIES = (DESCRIPTION, REASON, AGENT["User-Agent"], "127.0.0.1")
AUDIT = "query($after: String) { auditLogs(limit: 100, after: $after) { nodes { action userAgent ipAddress userId } } }"
HISTORY = "query($id: ID!) { account(id: $id) { transactions(first: 9) { nodes { kind description } } } }"
HOLDS = "query($id: ID!) { account(id: $id) { holds { description } } }"


class _PopulatedBank:
    """Ana, with an account of 100 reais, and an operator, all of whose programs are `AGENT`."""

    def __init__(self, bank: RunningBank) -> None:
        self.bank = bank

    async def populate(self) -> None:
        self.staff = await self.bank.staff()
        self.email = f"ana-{uuid.uuid4().hex}@example.com"
        self.ana = await self.bank.client.person(email=self.email)
        self.ana = await self.login()
        self.account, self.other = await self.ana.account("a"), await self.ana.account("b")
        await self.staff.run(
            "Deposit",
            headers=AGENT,
            input={
                "idempotencyKey": "d",
                "accountNumber": self.account["number"],
                "amount": {"amount": "100.00", "currency": "BRL"},
                "description": DESCRIPTION,
            },
        )

    async def login(self) -> Client:
        reply = await self.bank.client.run("Login", headers=AGENT, input={"email": self.email, "password": PASSWORD})
        return Client(self.bank.client.http, self.bank.client.url, reply.data["login"]["tokens"]["accessToken"])

    async def pay(self, key: str) -> Any:
        given = {
            "idempotencyKey": key,
            "fromAccountId": self.account["id"],
            "toAccountNumber": self.other["number"],
            "amount": {"amount": "1.00", "currency": "BRL"},
            "description": DESCRIPTION,
        }
        return (await self.ana.run("Transfer", headers=AGENT, input=given)).data["transfer"]

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        async with self.bank.bank.database.connection() as connection:
            return await connection.fetch(sql, *arguments)


@pytest.fixture
async def populated(running_bank: RunningBank) -> _PopulatedBank:
    populated = _PopulatedBank(running_bank)
    await populated.populate()
    return populated


async def _texts(populated: _PopulatedBank) -> list[str]:
    """Return every row of every table."""
    await populated.bank.caught_up()
    names = "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    # The role of the bank may not read every table.
    connection = await asyncpg.connect(populated.bank.bank.settings.database_url)
    tables = [row["relname"] for row in await connection.fetch(names)]
    assert set(tables) > {"users", "event_store", "audit_logs", "transactions", "sessions"}
    texts = [row[0] for table in tables for row in await connection.fetch(f"select to_jsonb(t)::text from {table} t")]
    await connection.close()
    return texts


async def test_no_table_holds_readable_personal_data(populated: _PopulatedBank) -> None:
    paid = await populated.pay("k")
    given = {"idempotencyKey": "r", "transactionId": paid["transaction"]["id"], "reason": REASON}
    reversed_ = await populated.staff.run("ReverseTransaction", headers=AGENT, input=given)
    hold = {
        "idempotencyKey": "h",
        "fromAccountId": populated.account["id"],
        "toAccountNumber": populated.other["number"],
        "amount": {"amount": "1.00", "currency": "BRL"},
        "description": DESCRIPTION,
    }
    held = await populated.ana.run("AuthorizeHold", headers=AGENT, input=hold)
    await populated.bank.client.run("Login", headers=AGENT, input={"email": "nobody@example.com", "password": PASSWORD})
    assert reversed_.data["reverseTransaction"]["transaction"]["description"] == REASON
    assert held.data["authorizeHold"]["hold"]["description"] == DESCRIPTION
    profile = (await populated.ana.run("Me")).data["me"]
    assert profile["email"] == populated.email
    canaries = [*CANARIES, populated.email, profile["fullName"], profile["cpf"], re.sub("[.-]", "", profile["cpf"])]
    texts = await _texts(populated)
    assert len(texts) > 50
    assert [text for text in texts for canary in canaries if canary.lower() in text.lower()] == []


async def test_the_owner_reads_descriptions_in_clear(populated: _PopulatedBank) -> None:
    first, again = await populated.pay("k"), await populated.pay("k")
    assert first["transaction"]["description"] == again["transaction"]["description"] == DESCRIPTION
    assert again["replayed"] is True
    page = await populated.ana.send(HISTORY, {"id": populated.account["id"]})
    nodes = page.data["account"]["transactions"]["nodes"]
    assert [(node["kind"], node["description"]) for node in nodes] == [
        ("TRANSFER", DESCRIPTION),
        ("DEPOSIT", DESCRIPTION),
    ]


async def test_an_administrator_reads_origins_in_clear_and_on_record(populated: _PopulatedBank) -> None:
    await populated.pay("k")
    await populated.bank.caught_up()
    await change_role(populated.bank.bank.uow_factory, email=populated.email, role="ADMIN")
    admin = await populated.login()
    rows = (await admin.send(AUDIT)).data["auditLogs"]["nodes"]
    assert {row["ipAddress"] for row in rows if row["action"] == "COMPLETE"} == {"127.0.0.1"}
    assert AGENT["User-Agent"] in {row["userAgent"] for row in rows}
    await populated.bank.caught_up()
    reads = await populated.fetch("select entity_type from audit_logs where action = 'READ' and user_id is not null")
    assert [row["entity_type"] for row in reads] == ["User"]


async def test_each_origin_is_encrypted_for_the_person_who_acted(populated: _PopulatedBank) -> None:
    await populated.pay("k")
    await populated.bank.client.run(
        "Login", headers=AGENT, input={"email": populated.email, "password": "a wrong guess"}
    )
    owners = await populated.fetch(
        "select e.event_type, e.user_id, k.person_id, k.day from event_store e"
        " join encryption_keys k on k.number = split_part(e.metadata ->> 'user_agent', '.', 2)::bigint"
        " where e.event_type in ('TransactionCompletedEvent', 'UserLoggedInEvent', 'LoginFailedEvent')"
    )
    assert len(owners) >= 4
    for row in owners:
        if row["event_type"] == "LoginFailedEvent":
            # Somebody else may have tried: the origin is not the victim's.
            assert (row["person_id"], row["day"]) == (None, SystemClock().now().date())
        else:
            assert row["person_id"] == row["user_id"]


async def test_a_deposit_by_staff_is_described_for_the_owner_of_the_account(populated: _PopulatedBank) -> None:
    [row] = await populated.fetch(
        "select k.person_id, a.user_id from transactions t join accounts a on a.id = t.credit_account_id"
        " join encryption_keys k on k.number = split_part(t.description, '.', 2)::bigint where t.kind = 'DEPOSIT'"
    )
    assert row["person_id"] == row["user_id"]


async def test_a_text_whose_key_is_destroyed_is_read_as_null(populated: _PopulatedBank) -> None:
    await populated.pay("k")
    [ana] = await populated.fetch(
        "select user_id from accounts where id = $1::uuid", uuid.UUID(populated.account["id"])
    )
    await populated.fetch(
        "with destroyed as (update encryption_keys set wrapped = null, destroyed_at = now() where person_id = $1"
        f" returning number) select pg_notify('{CHANNEL}', number::text) from destroyed",
        ana["user_id"],
    )
    async with asyncio.timeout(5):
        while populated.bank.bank.cipher.keys._by_number.get(await _number(populated, ana["user_id"]), 0) is not None:
            await asyncio.sleep(0.005)
    page = await populated.ana.send(HISTORY, {"id": populated.account["id"]}, headers={"Cache-Control": "no-cache"})
    nodes = page.data["account"]["transactions"]["nodes"]
    assert [node["description"] for node in nodes] == [None, None]
    # The money and the idempotency key are still there.
    again = await populated.pay("k")
    assert (again["replayed"], again["transaction"]["description"]) == (True, None)


async def _number(populated: _PopulatedBank, person_id: uuid.UUID) -> int:
    [row] = await populated.fetch("select number from encryption_keys where person_id = $1", person_id)
    return int(row["number"])


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    database = Database(database_url, pool_size=8, pool_timeout_ms=2_000, statement_timeout_ms=5_000)
    await database.open()
    yield database
    await database.close()


async def test_concurrent_workers_make_one_key_for_a_person(database: Database) -> None:
    person, workers = uuid.uuid4(), [DataKeys(database, MasterKey(MASTER_KEY), SystemClock()) for _ in range(4)]
    keys = await asyncio.gather(*(worker.of_person(person) for worker in workers for _ in range(2)))
    assert len({key.number for key in keys if key}) == 1
    days = await asyncio.gather(*(worker.of_today() for worker in workers))
    assert len({key.number for key in days}) == 1


async def test_another_master_key_reads_nothing_and_says_why(database: Database) -> None:
    person = uuid.uuid4()
    await DataKeys(database, MasterKey(MASTER_KEY), SystemClock()).of_person(person)
    with pytest.raises(WrongMasterKey, match="BANK_MASTER_KEY"):
        await DataKeys(database, MasterKey("another" * 8), SystemClock()).of_person(person)


async def test_a_worker_does_not_start_with_the_master_key_of_another_database(
    database_url: str, redis_url: str, database: Database
) -> None:
    await DataKeys(database, MasterKey(MASTER_KEY), SystemClock()).of_today()
    settings = settings_for(database_url, redis_url).model_copy(update={"master_key": SecretStr("b7d1" * 16)})
    with pytest.raises(WrongMasterKey, match="another master key than BANK_MASTER_KEY"):
        async with serving(settings):
            pass


async def test_a_key_that_expires_during_its_look_up_is_read_again(database: Database) -> None:
    keys = DataKeys(database, MasterKey(MASTER_KEY), SystemClock())
    made = await keys.of_today()
    time_s = 0.0

    def timer() -> float:
        nonlocal time_s
        time_s += 0.6  # each access is later than the one before
        return time_s

    keys._by_number = TTLCache(10, 1.0, timer=timer)
    keys._by_number[made.number] = made
    async with database.connection() as connection:
        for _ in range(5):
            assert (await keys.with_numbers([made.number], connection.fetch))[made.number].number == made.number


async def test_a_destroyed_key_is_not_made_again(database: Database) -> None:
    person, keys = uuid.uuid4(), DataKeys(database, MasterKey(MASTER_KEY), SystemClock())
    made = await keys.of_person(person)
    assert made is not None
    async with database.connection() as connection:
        await connection.execute("update encryption_keys set wrapped = null, destroyed_at = now()")
    keys.forget(made.number)
    assert await keys.of_person(person) is None
    async with database.connection() as connection:
        assert await keys.with_numbers([made.number], connection.fetch) == {}


async def test_a_key_that_was_rolled_back_is_not_used_later(database: Database) -> None:
    person, keys = uuid.uuid4(), DataKeys(database, MasterKey(MASTER_KEY), SystemClock())
    with pytest.raises(RuntimeError):
        async with database.transaction("begin") as connection:
            await keys.of_person(person, connection)
            raise RuntimeError
    key = await keys.of_person(person)
    assert key is not None
    async with database.connection() as connection:
        assert await connection.fetchval("select number from encryption_keys") == key.number


async def test_the_role_of_the_bank_changes_nothing_of_a_key_but_its_end(database: Database) -> None:
    await DataKeys(database, MasterKey(MASTER_KEY), SystemClock()).of_person(uuid.uuid4())
    for statement in ("delete from encryption_keys", "update encryption_keys set person_id = gen_random_uuid()"):
        with pytest.raises((asyncpg.InsufficientPrivilegeError, BankError)):
            async with database.connection() as connection:
                await connection.execute(statement)
