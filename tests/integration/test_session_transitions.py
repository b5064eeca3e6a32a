"""The beginning, the refresh and the end of sessions: rows, events, and notifications of other workers."""

import asyncio
import dataclasses
import hashlib
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr

from bank.cache.broadcast import CHANNEL
from bank.database.pool import Database
from bank.errors import Unauthenticated
from bank.events.bus import Bus
from bank.events.event import DomainEvent
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.identifiers import uuid7
from bank.identity.keyring import Keyring, key_of_secret
from bank.identity.log_in import BAD_CREDENTIALS, log_in
from bank.identity.log_out import log_out
from bank.identity.passwords import Passwords
from bank.identity.refresh import BAD_REFRESH_TOKEN, refresh_session
from bank.identity.register import Register, register_user
from bank.identity.sessions import Sessions
from bank.identity.token_pair import TokenPair
from bank.identity.tokens import AccessTokens, Caller, keyed_digest
from bank.settings import Settings
from bank.telemetry.context import RequestContext, enter_context
from tests.integration.api import PASSWORD, settings_for
from tests.integration.encryption import cipher_for, origins_for, plain_rows
from tests.integration.payers import SetClock, connected

EMAIL = "ana@example.com"
A_MOMENT = timedelta(microseconds=1)
NOBODYS = "a token that nobody was given"


@dataclass
class SessionMarksDouble:
    """A test double for the marks of sessions. It records its calls."""

    known_state: bool | None = None
    opened: list[tuple[UUID, datetime]] = field(default_factory=list)
    closed: list[UUID] = field(default_factory=list)

    def is_open(self, _session_id: UUID, _mark: str | None) -> bool | None:
        return self.known_state

    async def mark_open(self, session_id: UUID, asked_at: datetime) -> None:
        self.opened.append((session_id, asked_at))

    async def close(self, session_ids: Sequence[UUID]) -> None:
        self.closed.extend(session_ids)


@dataclass
class EventRecorder:
    """A test double for the event recorder. It keeps the events in memory."""

    recorded: list[DomainEvent] = field(default_factory=list)

    async def record(self, event: DomainEvent) -> None:
        self.recorded.append(event)


@dataclass
class UserSessions:
    """The sessions of one user, with a clock that stands still until it is set."""

    sessions: Sessions
    settings: Settings
    clock: SetClock
    tokens: AccessTokens
    marks: SessionMarksDouble
    recorder: EventRecorder
    connection: Any
    user_id: UUID
    notifications: list[str] = field(default_factory=list)

    async def log_in(self, email: str = EMAIL, password: str = PASSWORD) -> TokenPair:
        pair = await log_in(self.sessions, email, password)
        assert isinstance(pair, TokenPair)
        return pair

    def caller(self, pair: TokenPair) -> Caller:
        return self.tokens.verify(pair.access_token)

    async def rows(self, table: str) -> Sequence[Any]:
        rows: Sequence[Any] = await self.connection.fetch(f"select * from {table} order by expires_at, closed_at")
        return rows

    async def tokens_of(self) -> dict[bytes, Any]:
        return {row["digest"]: row for row in await self.connection.fetch("select * from refresh_tokens")}

    async def events(self, event_type: str) -> list[dict[str, Any]]:
        """Return the data of the events of one type."""
        found = await self.connection.fetch(
            "select event_data::text as data from event_store where event_type = $1 order by position", event_type
        )
        return [json.loads(row["data"]) for row in found]

    async def until_others_are_notified(self, session_id: UUID) -> None:
        async with asyncio.timeout(5):
            while not any(str(session_id) in notice for notice in self.notifications):
                await self.connection.fetchval("select 1")


def digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


@pytest.fixture
async def user_sessions(database_url: str, redis_url: str) -> AsyncIterator[UserSessions]:
    async with _open_user_sessions(database_url, redis_url) as user_sessions:
        yield user_sessions


@asynccontextmanager
async def _open_user_sessions(database_url: str, redis_url: str) -> AsyncIterator[UserSessions]:
    database = Database(database_url, pool_size=2, pool_timeout_ms=2_000, statement_timeout_ms=5_000)
    await database.open()
    settings, clock, marks, recorder = (
        settings_for(database_url, redis_url),
        SetClock(),
        SessionMarksDouble(),
        EventRecorder(),
    )
    work, passwords = UnitOfWorkFactory(database, Bus(), clock, origins_for(database, clock)), Passwords()
    tokens = AccessTokens(Keyring(key_of_secret(settings.token_secret.get_secret_value())), clock)
    sessions = Sessions(
        uow_factory=work, database=database, recorder=recorder, marks=marks, passwords=passwords, tokens=tokens,  # type: ignore[arg-type]  # doubles
        clock=clock, settings=settings,
    )  # fmt: skip
    command = Register(email=EMAIL, full_name="Ana Lima", cpf="52998224725", password=PASSWORD)
    user = await register_user(work, recorder, passwords, command)  # type: ignore[arg-type]  # a double
    async with connected(database_url) as connection:
        user_sessions = UserSessions(sessions, settings, clock, tokens, marks, recorder, connection, user.id)  # type: ignore[union-attr]
        await connection.add_listener(CHANNEL, lambda *notice: user_sessions.notifications.append(notice[-1]))
        enter_context(RequestContext("c-1", ip_address="192.0.2.7", user_agent="a browser"))
        yield user_sessions
    await database.close()


async def test_a_login_begins_a_session_with_every_value(user_sessions: UserSessions) -> None:
    pair = await user_sessions.log_in(" ANA@example.com ")
    caller, now = user_sessions.caller(pair), user_sessions.clock.now()
    until = now + user_sessions.settings.refresh_token_life
    assert (caller.user_id, caller.role) == (user_sessions.user_id, "CUSTOMER")
    assert (pair.access_token_expires_at, pair.refresh_token_expires_at) == (
        now + user_sessions.settings.access_token_life,
        until,
    )
    [session] = await user_sessions.rows("sessions")
    assert (session["id"], session["user_id"], session["closed_at"]) == (caller.session_id, user_sessions.user_id, None)
    assert (session["created_at"], session["last_used_at"], session["expires_at"]) == (now, now, until)
    sql = "select ip_address, user_agent from sessions"
    [origin] = await plain_rows(user_sessions.connection, cipher_for(user_sessions.sessions.database), sql)
    assert (origin["ip_address"], origin["user_agent"]) == ("192.0.2.7", "a browser")
    [token] = (await user_sessions.tokens_of()).values()
    assert (token["digest"], token["session_id"]) == (digest(pair.refresh_token), caller.session_id)
    assert (token["issued_at"], token["expires_at"], token["used_at"]) == (now, until, None)
    [recorded] = await user_sessions.events("UserLoggedInEvent")
    assert (recorded["session_id"], recorded["initiated_by"]) == (str(caller.session_id), str(user_sessions.user_id))
    assert (datetime.fromisoformat(recorded["expires_at"]), recorded["token_digest"]) == (
        until,
        digest(pair.refresh_token).hex(),
    )
    assert user_sessions.recorder.recorded == []


@pytest.mark.parametrize(("email", "digested"), [(EMAIL, None), ("bia@example.com", "bia@example.com"), ("no", "")])
async def test_a_failed_login_is_recorded_without_the_address(
    user_sessions: UserSessions, email: str, digested: str | None
) -> None:
    password = "not this one either" if digested is None else PASSWORD
    assert await log_in(user_sessions.sessions, email, password) == BAD_CREDENTIALS
    [recorded] = await user_sessions.events("LoginFailedEvent")
    secret = user_sessions.settings.token_secret.get_secret_value()
    assert recorded["subject_id"] == (str(user_sessions.user_id) if digested is None else None)
    expected = None if digested is None else keyed_digest(secret, f"address {digested}")
    assert (recorded["address_digest"], recorded["locked"]) == (expected, False)
    assert await user_sessions.rows("sessions") == []


@pytest.mark.parametrize(("email", "account"), [(" ANA@example.com ", EMAIL), ("no", "")])
async def test_logins_wait_for_their_turn_by_address(
    user_sessions: UserSessions, monkeypatch: pytest.MonkeyPatch, email: str, account: str
) -> None:
    asked: list[str] = []

    async def verify(_self: Passwords, find_hash: Any, _password: str, *, account: str) -> None:
        asked.append(account)
        await find_hash()

    monkeypatch.setattr(Passwords, "verify", verify)
    await log_in(user_sessions.sessions, email, PASSWORD)
    assert asked == [account]


async def test_a_refresh_continues_the_session_and_invalidates_the_token(user_sessions: UserSessions) -> None:
    first = await user_sessions.log_in()
    caller = user_sessions.caller(first)
    await user_sessions.connection.execute("update users set role = 'OPERATOR' where id = $1", user_sessions.user_id)
    user_sessions.clock.moment = first.refresh_token_expires_at - A_MOMENT
    now = user_sessions.clock.now()
    second = await refresh_session(user_sessions.sessions, first.refresh_token)
    assert isinstance(second, TokenPair)
    assert user_sessions.caller(second) == Caller(user_sessions.user_id, "OPERATOR", caller.session_id)
    until = now + user_sessions.settings.refresh_token_life
    assert (second.refresh_token_expires_at, second.access_token_expires_at) == (
        until, now + user_sessions.settings.access_token_life
    )  # fmt: skip
    tokens = await user_sessions.tokens_of()
    assert tokens[digest(first.refresh_token)]["used_at"] == now
    fresh = tokens[digest(second.refresh_token)]
    assert (fresh["used_at"], fresh["expires_at"], fresh["session_id"]) == (None, until, caller.session_id)
    [session] = await user_sessions.rows("sessions")
    assert (session["last_used_at"], session["expires_at"], session["closed_at"]) == (now, until, None)
    [recorded] = await user_sessions.events("SessionRefreshedEvent")
    assert (recorded["session_id"], recorded["token_digest"]) == (
        str(caller.session_id), digest(second.refresh_token).hex()
    )  # fmt: skip
    assert (
        len(await user_sessions.events("UserLoggedInEvent")),
        user_sessions.marks.closed,
        user_sessions.recorder.recorded,
    ) == (1, [], [])


@pytest.mark.parametrize("later", [timedelta(0), timedelta(seconds=30) - A_MOMENT])
async def test_a_refresh_whose_response_was_lost_is_repeated_with_the_same_successor(
    user_sessions: UserSessions, later: timedelta
) -> None:
    first = await user_sessions.log_in()
    second = await refresh_session(user_sessions.sessions, first.refresh_token)
    assert isinstance(second, TokenPair)
    before = await user_sessions.tokens_of(), await user_sessions.rows("sessions")
    user_sessions.clock.moment += later
    again = await refresh_session(user_sessions.sessions, first.refresh_token)
    assert isinstance(again, TokenPair)
    assert (again.refresh_token, again.refresh_token_expires_at) == (
        second.refresh_token, second.refresh_token_expires_at
    )  # fmt: skip
    assert again.access_token_expires_at == user_sessions.clock.now() + user_sessions.settings.access_token_life
    assert user_sessions.caller(again) == user_sessions.caller(second)
    assert (await user_sessions.tokens_of(), await user_sessions.rows("sessions")) == before
    [recorded] = await user_sessions.events("SessionRefreshRepeatedEvent")
    assert (recorded["session_id"], recorded["initiated_by"]) == (
        str(user_sessions.caller(first).session_id),
        str(user_sessions.user_id),
    )
    assert (
        len(await user_sessions.events("SessionRefreshedEvent")),
        user_sessions.marks.closed,
        user_sessions.recorder.recorded,
    ) == (1, [], [])


async def test_a_successor_cannot_be_derived_without_the_secret(user_sessions: UserSessions) -> None:
    first = await user_sessions.log_in()
    second = await refresh_session(user_sessions.sessions, first.refresh_token)
    assert isinstance(second, TokenPair)
    another = SecretStr("f" * 64)
    elsewhere = dataclasses.replace(
        user_sessions.sessions, settings=user_sessions.settings.model_copy(update={"token_secret": another})
    )
    assert await refresh_session(elsewhere, first.refresh_token) == BAD_REFRESH_TOKEN
    assert (user_sessions.marks.closed, await user_sessions.events("RefreshTokenReusedEvent")) == ([], [])
    assert isinstance(await refresh_session(user_sessions.sessions, second.refresh_token), TokenPair)


@pytest.mark.parametrize("why", ["after the grace period", "after the use of its successor", "without a grace period"])
async def test_a_used_token_that_comes_again_later_closes_its_session_and_no_other(
    user_sessions: UserSessions, why: str
) -> None:
    first, bystander = await user_sessions.log_in(), await user_sessions.log_in()
    second = await refresh_session(user_sessions.sessions, first.refresh_token)
    assert isinstance(second, TokenPair)
    sessions = user_sessions.sessions
    if why == "after the grace period":
        user_sessions.clock.moment += timedelta(seconds=30)
    elif why == "after the use of its successor":
        user_sessions.clock.moment += timedelta(seconds=1)
        assert isinstance(await refresh_session(sessions, second.refresh_token), TokenPair)
    else:
        settings = user_sessions.settings.model_copy(update={"refresh_token_grace_s": 0})
        sessions = dataclasses.replace(sessions, settings=settings)
    session_id = user_sessions.caller(first).session_id
    assert await refresh_session(sessions, first.refresh_token) == BAD_REFRESH_TOKEN
    closed = {row["id"]: row["closed_at"] for row in await user_sessions.rows("sessions")}
    assert closed == {session_id: user_sessions.clock.now(), user_sessions.caller(bystander).session_id: None}
    [recorded] = await user_sessions.events("RefreshTokenReusedEvent")
    assert (recorded["session_id"], recorded["owner_id"]) == (str(session_id), str(user_sessions.user_id))
    # The theft has its own event, so no refusal is recorded.
    assert (user_sessions.marks.closed, user_sessions.recorder.recorded) == ([session_id], [])
    await user_sessions.until_others_are_notified(session_id)
    # A token of a closed session is refused like any other invalid token.
    for token in (first.refresh_token, second.refresh_token):
        assert await refresh_session(sessions, token) == BAD_REFRESH_TOKEN
    assert (len(await user_sessions.events("RefreshTokenReusedEvent")), user_sessions.marks.closed) == (1, [session_id])
    assert user_sessions.recorder.recorded[0].code == "INVALID_REFRESH_TOKEN"  # type: ignore[attr-defined]


@pytest.mark.parametrize("why", ["unknown", "expired", "closed"])
async def test_an_invalid_token_is_refused_and_recorded(user_sessions: UserSessions, why: str) -> None:
    pair = await user_sessions.log_in()
    if why == "expired":
        user_sessions.clock.moment = pair.refresh_token_expires_at
    elif why == "closed":
        await log_out(user_sessions.sessions, user_sessions.caller(pair))
    user_sessions.marks.closed.clear()
    before = await user_sessions.tokens_of(), await user_sessions.rows("sessions")
    assert (
        await refresh_session(user_sessions.sessions, NOBODYS if why == "unknown" else pair.refresh_token)
        == BAD_REFRESH_TOKEN
    )
    assert (await user_sessions.tokens_of(), await user_sessions.rows("sessions")) == before
    [recorded] = user_sessions.recorder.recorded
    whose = None if why == "unknown" else user_sessions.user_id
    assert (recorded.action, recorded.code) == ("refreshSession", "INVALID_REFRESH_TOKEN")  # type: ignore[attr-defined]
    assert (recorded.entity_type, recorded.entity_id, recorded.initiated_by) == ("User", whose, whose)  # type: ignore[attr-defined]
    assert (user_sessions.marks.closed, await user_sessions.events("SessionRefreshedEvent")) == ([], [])


async def test_a_logout_closes_one_session_and_a_second_logout_changes_nothing(user_sessions: UserSessions) -> None:
    pair, bystander = await user_sessions.log_in(), await user_sessions.log_in()
    caller, closed_at = user_sessions.caller(pair), user_sessions.clock.now()
    await log_out(user_sessions.sessions, caller)
    user_sessions.clock.moment += timedelta(minutes=1)
    await log_out(user_sessions.sessions, caller)
    sessions = {row["id"]: row["closed_at"] for row in await user_sessions.rows("sessions")}
    assert sessions == {caller.session_id: closed_at, user_sessions.caller(bystander).session_id: None}
    recorded = await user_sessions.events("UserLoggedOutEvent")
    assert (recorded[0]["session_id"], recorded[0]["initiated_by"]) == (
        str(caller.session_id),
        str(user_sessions.user_id),
    )
    assert user_sessions.marks.closed == [caller.session_id] * 2
    await user_sessions.until_others_are_notified(caller.session_id)


async def test_a_session_is_looked_up_in_the_database_only_without_a_mark(user_sessions: UserSessions) -> None:
    pair = await user_sessions.log_in()
    caller = user_sessions.caller(pair)
    before = await user_sessions.connection.fetchval("select clock_timestamp()")
    await user_sessions.sessions.require_open(caller, None)
    [(session_id, asked_at)] = user_sessions.marks.opened
    assert session_id == caller.session_id
    assert before < asked_at < await user_sessions.connection.fetchval("select clock_timestamp()")
    user_sessions.marks.known_state = False
    with pytest.raises(Unauthenticated):
        await user_sessions.sessions.require_open(caller, None)
    user_sessions.marks.known_state = True
    await user_sessions.sessions.require_open(Caller(user_sessions.user_id, "CUSTOMER", uuid7()), None)
    assert len(user_sessions.marks.opened) == 1


@pytest.mark.parametrize("why", ["unknown", "expired", "closed"])
async def test_a_closed_or_unknown_session_is_not_accepted(user_sessions: UserSessions, why: str) -> None:
    pair = await user_sessions.log_in()
    caller = user_sessions.caller(pair)
    if why == "expired":
        user_sessions.clock.moment = pair.refresh_token_expires_at - A_MOMENT
        await user_sessions.sessions.require_open(caller, None)
        user_sessions.clock.moment += A_MOMENT
    elif why == "closed":
        await log_out(user_sessions.sessions, caller)
    else:
        caller = Caller(user_sessions.user_id, "CUSTOMER", uuid7())
    user_sessions.marks.opened.clear()
    with pytest.raises(Unauthenticated):
        await user_sessions.sessions.require_open(caller, None)
    assert user_sessions.marks.opened == []
