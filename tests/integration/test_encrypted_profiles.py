"""Profiles of users are stored encrypted; migration 0014 encrypts those that exist."""

import asyncio
import json
import os
import uuid
from dataclasses import dataclass
from typing import Any

import asyncpg
import pytest

from bank.database.migrate import upgrade
from bank.encryption.master_key import KEY_BYTES, MasterKey
from bank.identity.passwords import Passwords
from bank.identity.weakness import Person
from bank.invariants.verify import verify
from bank.settings import SettingsError
from fixtures.backends.reach import run_sql
from tests.integration.api import PASSWORD, serving, settings_for
from tests.integration.encryption import MASTER_KEY, email_digest, insert_user
from tests.integration.payers import connected
from tests.integration.test_stored_events import STORED, differences

BEFORE = "0012"
PROFILES = "select id, email, full_name, cpf, version from users order by email"
OLD_DIGEST = """
    encode(sha256(salt || convert_to(json_build_array(email, full_name, cpf, password_hash)::text, 'UTF8')), 'hex')
"""


@dataclass(frozen=True)
class OldUser:
    """A user whom the bank has registered before the migration."""

    email: str
    full_name: str
    cpf: str | None
    role: str
    has_key: bool = False


USERS = (
    OldUser("ana@example.com", "Ana Okonkwo", "52998224725", "CUSTOMER", has_key=True),
    OldUser("bia@example.com", "Bia Figueira", "11144477735", "CUSTOMER"),
    OldUser("root@example.com", "Rui Salgado", None, "ADMIN"),
)


async def _hash(user: OldUser) -> str:
    passwords = Passwords()
    try:
        hashed = await passwords.hash_new(PASSWORD, Person(email=user.email, full_name=user.full_name, cpf=user.cpf))
    finally:
        passwords.close()
    assert isinstance(hashed, str)
    return hashed


async def _register(connection: Any, user: OldUser, position: int) -> None:
    """Insert a user and the event of the registration, as the bank did at level 0012."""
    user_id = uuid.uuid4()
    digest = await connection.fetchval(
        "insert into users (id, email, full_name, cpf, password_hash, role, created_at, updated_at)"
        f" values ($1, $2, $3, $4, $5, $6, now(), now()) returning {OLD_DIGEST}",
        user_id, user.email, user.full_name, user.cpf, await _hash(user), user.role,
    )  # fmt: skip
    data = {"id": str(user_id), "role": user.role, "profile_digest": digest}
    async with connection.transaction():
        await connection.execute("update event_log_head set position = $1", position)
        await connection.execute(
            "insert into event_store (id, position, event_type, aggregate_id, aggregate_type, event_data,"
            " event_version, user_id, metadata, created_at) values (uuidv7(), $1, 'UserRegisteredEvent', $2, 'User',"
            " $3, 1, $2, '{}', (select created_at from users where id = $2))",
            position, user_id, json.dumps(data),
        )  # fmt: skip
    if user.has_key:
        wrapped = MasterKey(MASTER_KEY).wrap(os.urandom(KEY_BYTES), owner=str(user_id))
        await connection.execute(
            "insert into encryption_keys (person_id, wrapped, created_at) values ($1, $2, now())", user_id, wrapped
        )


async def _register_all(url: str) -> None:
    async with connected(url) as connection:
        for position, user in enumerate(USERS, start=1):
            await _register(connection, user, position)


@pytest.fixture
def old_url(postgres_url: str) -> str:
    """A database of level 0012 with users."""
    upgrade(postgres_url, level=BEFORE)
    asyncio.run(_register_all(postgres_url))
    return postgres_url


@pytest.fixture
def master_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BANK_MASTER_KEY", MASTER_KEY)


@pytest.mark.usefixtures("master_key")
def test_migrated_users_log_in_and_see_their_profiles(old_url: str, redis_url: str) -> None:
    upgrade(old_url)

    async def use() -> list[Any]:
        async with serving(settings_for(old_url, redis_url)) as bank:
            profiles = [(await (await bank.client.login(user.email)).run("Me")).data["me"] for user in USERS]
            await bank.caught_up()
        return profiles

    profiles = asyncio.run(use())
    assert [(profile["email"], profile["fullName"], profile["role"]) for profile in profiles] == [
        (user.email, user.full_name, user.role) for user in USERS
    ]
    assert [profile["cpf"] for profile in profiles] == ["529.982.247-25", "111.444.777-35", None]
    assert asyncio.run(verify(old_url)).findings == ()


@pytest.mark.usefixtures("master_key")
def test_the_migration_encrypts_each_profile_under_the_key_of_its_person(old_url: str) -> None:
    upgrade(old_url)
    rows = run_sql(old_url, "select to_jsonb(u)::text from users u")
    assert [user.full_name for user in USERS for row in rows if user.full_name in row[0] or user.email in row[0]] == []
    owners = run_sql(
        old_url,
        "select u.id = k.person_id, u.version from users u"
        " join encryption_keys k on k.number = split_part(u.full_name, '.', 2)::bigint",
    )
    assert [tuple(row) for row in owners] == [(True, 2)] * len(USERS)


@pytest.mark.usefixtures("master_key")
def test_the_migration_appends_an_event_for_each_user(old_url: str) -> None:
    upgrade(old_url)

    async def stored() -> list[Any]:
        async with connected(old_url) as connection:
            return list(await connection.fetch(STORED))

    rows = asyncio.run(stored())
    assert [row["event_type"] for row in rows] == [
        *["UserRegisteredEvent"] * len(USERS),
        *["UserProfileChangedEvent"] * len(USERS),
    ]
    # Later versions of the bank write one optional field more.
    missing = ["UserProfileChangedEvent: there is no old_email"] * len(USERS)
    assert [difference for row in rows for difference in differences(row)] == missing
    assert {json.loads(row["event_data"])["change"] for row in rows[len(USERS) :]} == {"ENCRYPTION"}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        (
            None,
            r"^BANK_MASTER_KEY is not set\. Migration 0014 encrypts .* of all users \(3\) .* Nothing was changed\.$",
        ),
        (MASTER_KEY[::-1], r"another master key than BANK_MASTER_KEY\. Migration .* Nothing was changed\.$"),
    ],
)
def test_a_migration_without_the_right_master_key_changes_nothing(
    old_url: str, monkeypatch: pytest.MonkeyPatch, key: str | None, said: str
) -> None:
    monkeypatch.delenv("BANK_MASTER_KEY", raising=False)
    if key is not None:
        monkeypatch.setenv("BANK_MASTER_KEY", key)
    before = [tuple(row) for row in run_sql(old_url, PROFILES)]
    with pytest.raises(SettingsError, match=said):
        upgrade(old_url)
    assert [tuple(row) for row in run_sql(old_url, PROFILES)] == before
    assert run_sql(old_url, "select version_num from alembic_version")[0][0] == BEFORE


async def test_the_database_refuses_a_readable_or_incomplete_profile(database_url: str) -> None:
    async with connected(database_url) as connection:
        await insert_user(connection, user_id := uuid.uuid4())
        for change in ("email = 'ana@example.com'", "full_name = 'Ana'", "cpf = '52998224725'", "email = null",
                       "cpf = 'enc1.0.-'", "role = 'CUSTOMER'", "erased_at = now()"):  # fmt: skip
            with pytest.raises(asyncpg.CheckViolationError):
                await connection.execute(f"update users set {change} where id = $1", user_id)
        await connection.execute(
            "update users set erased_at = now(), email = null, email_digest = null, full_name = null,"
            " password_hash = null where id = $1", user_id,
        )  # fmt: skip
        assert await connection.fetchval("select count(*) from users where email_digest = $1", email_digest("ana")) == 0
