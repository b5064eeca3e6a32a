"""Registrations and changes of roles: their rows, their events, and each refusal with its field."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from bank.database.pool import Database
from bank.events.bus import Bus
from bank.events.event import DomainEvent
from bank.events.leases import CHANNEL as LOG_CHANNEL
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.identifiers import uuid7
from bank.identity.passwords import Passwords
from bank.identity.profile import User
from bank.identity.register import Register, register_user
from bank.identity.roles import RoleChange, change_role
from bank.refusal import Refusal
from tests.integration.api import PASSWORD
from tests.integration.encryption import origins_for, plain_rows
from tests.integration.payers import SetClock, connected

GOOD = {"email": "ana@example.com", "full_name": "Ana Lima", "cpf": "52998224725", "password": PASSWORD}


@dataclass
class Registrations:
    """The use cases of registration and of roles."""

    work: UnitOfWorkFactory
    connection: Any
    clock: SetClock
    passwords: Passwords = field(default_factory=Passwords)
    recorded: list[DomainEvent] = field(default_factory=list)
    notifications: list[str] = field(default_factory=list)

    async def record(self, event: DomainEvent) -> None:
        self.recorded.append(event)

    async def register(self, **more: Any) -> User | Refusal:
        command = Register(**{**GOOD, **more})
        return await register_user(self.work, self, self.passwords, command)  # type: ignore[arg-type]  # a double with the same method

    async def events(self, event_type: str) -> list[dict[str, Any]]:
        rows = await self.connection.fetch("select event_data from event_store where event_type = $1", event_type)
        return [json.loads(row["event_data"]) for row in rows]


@pytest.fixture
async def registrations(database_url: str) -> AsyncIterator[Registrations]:
    database = Database(database_url, pool_size=2, pool_timeout_ms=2_000, statement_timeout_ms=5_000)
    await database.open()
    async with connected(database_url) as connection:
        clock = SetClock()
        work = UnitOfWorkFactory(database, Bus(), clock, origins_for(database, clock))
        registrations = Registrations(work, connection, clock)
        await connection.add_listener(LOG_CHANNEL, lambda *_notice: registrations.notifications.append("log"))
        yield registrations
    await database.close()


async def test_a_user_is_stored_with_the_registered_values(registrations: Registrations) -> None:
    user = await registrations.register(email=" ANA@Example.com ", full_name=" Ana  Lima ", cpf="529.982.247-25")
    assert isinstance(user, User)
    cipher = registrations.work.cipher
    [row] = await plain_rows(registrations.connection, cipher, "select * from users")
    assert (user.email, user.full_name, user.cpf) == ("ana@example.com", "Ana Lima", "52998224725")
    for name in ("id", "email", "full_name", "cpf", "role", "version", "created_at"):
        assert row[name] == getattr(user, name), name
    assert row["email_digest"] == cipher.lookup_digest("email", "ana@example.com")
    assert row["cpf_digest"] == cipher.lookup_digest("cpf", "52998224725")
    assert (user.role, user.version, user.created_at, row["updated_at"]) == (
        "CUSTOMER", 1, registrations.clock.now(), registrations.clock.now()
    )  # fmt: skip
    [told] = await registrations.events("UserRegisteredEvent")
    assert (told["id"], told["role"], bool(told["profile_digest"])) == (str(user.id), "CUSTOMER", True)
    assert registrations.recorded == []


@pytest.mark.parametrize(
    ("given", "code", "place"),
    [
        ({"email": "no address"}, "INVALID_INPUT", "email"),
        ({"email": ""}, "INVALID_INPUT", "email"),
        ({"email": "p\u0430ypal@example.com"}, "INVALID_INPUT", "email"),
        ({"full_name": "A"}, "INVALID_INPUT", "fullName"),
        ({"full_name": "A" * 121}, "INVALID_INPUT", "fullName"),
        ({"cpf": None}, "INVALID_INPUT", "cpf"),
        ({"cpf": "52998224724"}, "INVALID_INPUT", "cpf"),
        ({"cpf": "52998224724", "role": "OPERATOR"}, "INVALID_INPUT", "cpf"),
        ({"password": "short"}, "WEAK_PASSWORD", "password"),
        ({"password": "Ana Lima 52998224725"}, "WEAK_PASSWORD", "password"),
    ],
)
async def test_an_invalid_registration_names_its_field_and_is_recorded(
    registrations: Registrations, given: dict[str, Any], code: str, place: str
) -> None:
    refused = await registrations.register(**given)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.field) == (code, ("input", place))
    [told] = registrations.recorded
    assert (told.action, told.code, told.entity_type) == ("register", code, "User")  # type: ignore[attr-defined]
    assert (told.entity_id, told.initiated_by) == (None, None)  # type: ignore[attr-defined]
    assert await registrations.connection.fetchval("select count(*) from users") == 0


@pytest.mark.parametrize("given", [{"full_name": "Al"}, {"full_name": "A" * 120}, {"cpf": None, "role": "OPERATOR"}])
async def test_a_registration_may_reach_every_limit(registrations: Registrations, given: dict[str, Any]) -> None:
    user = await registrations.register(**given)
    assert isinstance(user, User)
    assert user.role == given.get("role", "CUSTOMER")


@pytest.mark.parametrize(
    ("given", "code", "place"),
    [({"cpf": "11144477735"}, "EMAIL_TAKEN", "email"), ({"email": "bia@example.com"}, "CPF_TAKEN", "cpf")],
)
async def test_a_registered_address_or_cpf_is_refused_with_its_field(
    registrations: Registrations, given: dict[str, Any], code: str, place: str
) -> None:
    user = await registrations.register()
    assert isinstance(user, User)
    refused = await registrations.register(**given)
    assert isinstance(refused, Refusal)
    assert (refused.code, refused.field) == (code, ("input", place))
    # The customer is told of the attempt by this event.
    [told] = registrations.recorded
    assert (told.code, told.entity_id) == (code, user.id)  # type: ignore[attr-defined]
    assert len(await registrations.events("UserRegisteredEvent")) == 1


async def test_a_change_of_role_closes_only_the_sessions_of_that_user(registrations: Registrations) -> None:
    ana, bia = await registrations.register(), await registrations.register(email="bia@example.com", cpf="11144477735")
    assert isinstance(ana, User)
    assert isinstance(bia, User)
    now = registrations.clock.now()
    for user in (ana, ana, bia):
        await registrations.connection.execute(
            "insert into sessions (id, user_id, created_at, last_used_at, expires_at) values ($1, $2, $3, $3, $3)",
            uuid7(),
            user.id,
            now,
        )
    assert await change_role(registrations.work, email="nobody@example.com", role="OPERATOR") is None
    assert await change_role(registrations.work, email="ana@example.com", role="CUSTOMER") == RoleChange(
        "CUSTOMER", "CUSTOMER"
    )
    assert await registrations.events("UserRoleChangedEvent") == []
    assert await change_role(registrations.work, email="ana@example.com", role="OPERATOR") == RoleChange(
        "CUSTOMER", "OPERATOR"
    )
    rows = await registrations.connection.fetch("select user_id, closed_at from sessions")
    closed = {(row["user_id"], row["closed_at"]) for row in rows}
    assert closed == {(ana.id, now), (bia.id, None)}
    roles = await registrations.connection.fetch("select id, role, version from users")
    assert {row["id"]: (row["role"], row["version"]) for row in roles} == {
        ana.id: ("OPERATOR", 2), bia.id: ("CUSTOMER", 1)
    }  # fmt: skip
    [told] = await registrations.events("UserRoleChangedEvent")
    assert (told["subject_id"], told["old_role"], told["new_role"]) == (str(ana.id), "CUSTOMER", "OPERATOR")
    async with asyncio.timeout(5):
        while not registrations.notifications:
            await registrations.connection.fetchval("select 1")
