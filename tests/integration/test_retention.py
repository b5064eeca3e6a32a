"""Data that is older than its rule is deleted, counted and audited; everything else stays."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from click.testing import CliRunner
from prometheus_client import REGISTRY

from bank.cli.main import main
from bank.identity.roles import change_role
from bank.invariants.verify import verify
from bank.privacy import retention
from bank.privacy.policy import POLICY
from tests.integration.api import Client, RunningBank, serving, settings_for
from tests.integration.payers import SetClock, connected

HALF_A_YEAR = POLICY["sessions"].keep
AUDIT = "query { auditLogs(limit: 100) { nodes { action userAgent } } }"


class _Aged:
    """A bank whose clock can be set, and Ana, who has logged in once."""

    def __init__(self, bank: RunningBank, clock: SetClock) -> None:
        self.bank, self.clock = bank, clock

    async def populate(self) -> None:
        self.email = "ana@example.com"
        self.ana = await self.bank.client.person(email=self.email)

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        async with self.bank.bank.database.connection() as connection:
            return await connection.fetch(sql, *arguments)

    async def rows(self, table: str) -> int:
        return int((await self.fetch(f"select count(*) as rows from {table}"))[0]["rows"])

    async def apply(self) -> dict[str, int]:
        return await self.bank.bank.data_retention.run_once()

    async def broken(self) -> list[str]:
        await self.bank.caught_up()
        found = (await verify(self.bank.bank.settings.database_url)).findings
        return [finding.sentence for finding in found]


@pytest.fixture
async def aged(database_url: str, redis_url: str) -> AsyncIterator[_Aged]:
    clock = SetClock()
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        aged = _Aged(bank, clock)
        await aged.populate()
        yield aged


async def test_a_session_is_deleted_with_its_tokens_half_a_year_after_its_end(aged: _Aged) -> None:
    closed, expires = await aged.bank.client.login(aged.email), timedelta(days=30)
    await closed.run("Logout")
    aged.clock.moment += HALF_A_YEAR
    assert (await aged.apply())["sessions"] == 0, "to the day half a year old"
    aged.clock.moment += timedelta(days=1)
    assert (await aged.apply())["sessions"] == 1, "the closed one"
    aged.clock.moment += expires
    await aged.bank.client.login(aged.email)
    assert (await aged.apply())["sessions"] == 1, "the expired one"
    assert (await aged.rows("sessions"), await aged.rows("refresh_tokens")) == (1, 1)
    assert await aged.broken() == []


async def test_each_deletion_is_counted_and_audited(aged: _Aged) -> None:
    counted = REGISTRY.get_sample_value("bank_retention_rows_total", {"rule": "sessions"}) or 0
    aged.clock.moment += HALF_A_YEAR + timedelta(days=32)
    await aged.apply()
    await aged.bank.caught_up()
    [row] = await aged.fetch("select new_values from audit_logs where action = 'DELETE' and entity_type = 'Retention'"
        " and new_values ->> 'rule' = 'sessions'")  # fmt: skip
    values = json.loads(row["new_values"])
    assert (values["rule"], values["rows"]) == ("sessions", 1)
    assert REGISTRY.get_sample_value("bank_retention_rows_total", {"rule": "sessions"}) == counted + 1


async def test_a_session_that_was_deleted_by_hand_is_found(aged: _Aged) -> None:
    aged.clock.moment += HALF_A_YEAR + timedelta(days=32)
    await aged.apply()
    await aged.bank.client.login(aged.email)
    assert await aged.broken() == []
    async with _owner(aged) as owner:
        await owner.execute("delete from refresh_tokens; delete from sessions")
    [sentence] = await aged.broken()
    assert "refresh token" in sentence


def _owner(aged: _Aged) -> Any:
    return connected(aged.bank.bank.settings.database_url)


async def test_many_sessions_are_deleted_in_chunks(aged: _Aged, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "CHUNK_ROWS_MAX", 2)
    for _ in range(4):
        await aged.bank.client.login(aged.email)
    aged.clock.moment += HALF_A_YEAR + timedelta(days=32)
    assert (await aged.apply())["sessions"] == 5
    events = await aged.fetch(
        "select event_data ->> 'rows' as rows from event_store"
        " where event_type = 'RetentionAppliedEvent' and event_data ->> 'rule' = 'sessions' order by position"
    )
    assert [row["rows"] for row in events] == ["2", "2", "1"]
    assert await aged.broken() == []


async def test_the_key_of_a_day_is_destroyed_after_half_a_year(aged: _Aged) -> None:
    await aged.bank.client.run(
        "Login", headers={"User-Agent": "canary"}, input={"email": "x@example.com", "password": "wrong"}
    )
    aged.clock.moment += HALF_A_YEAR
    assert (await aged.apply())["day_keys"] == 0
    aged.clock.moment += timedelta(days=1)
    assert (await aged.apply())["day_keys"] == 1
    [key] = await aged.fetch("select wrapped, destroyed_at from encryption_keys where day is not null")
    assert (key["wrapped"], key["destroyed_at"]) == (None, aged.clock.moment)
    assert set((await aged.apply()).values()) == {0}
    assert await aged.broken() == []
    rows = await _trail(aged)
    assert {row["userAgent"] for row in rows if row["action"] == "LOGIN_FAILED"} == {None}


async def _trail(aged: _Aged) -> Any:
    await change_role(aged.bank.bank.uow_factory, email=aged.email, role="ADMIN")
    admin: Client = await aged.bank.client.login(aged.email)
    await aged.bank.caught_up()
    return (await admin.send(AUDIT)).data["auditLogs"]["nodes"]


async def test_a_dead_letter_is_deleted_a_month_after_its_redelivery(aged: _Aged) -> None:
    async with _owner(aged) as owner:
        await owner.execute(
            "insert into dead_letters (subscriber, event_position, error, attempts, redelivered_at)"
            " values ('balance_cache', 1, 'enc1.1.AAAA', 1, $1), ('account_days', 1, 'enc1.1.AAAA', 1, null)",
            aged.clock.moment,
        )
    aged.clock.moment += POLICY["dead_letters"].keep + timedelta(days=1)
    assert (await aged.apply())["dead_letters"] == 1
    [row] = await aged.fetch("select subscriber from dead_letters")
    assert row["subscriber"] == "account_days"


async def test_a_second_pass_at_the_same_time_deletes_nothing(aged: _Aged) -> None:
    aged.clock.moment += HALF_A_YEAR + timedelta(days=32)
    async with _owner(aged) as other, other.transaction():
        await other.execute("select pg_advisory_xact_lock(7205759406)")
        assert (await aged.apply())["sessions"] == 0
    assert (await aged.apply())["sessions"] == 1


async def test_a_dry_run_says_what_would_be_deleted_and_deletes_nothing(
    aged: _Aged, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with _owner(aged) as owner:
        await owner.execute("alter table sessions disable trigger all")
        await owner.execute("update sessions set closed_at = now() - interval '200 days'")
    monkeypatch.setenv("DATABASE_URL", aged.bank.bank.settings.database_url)

    async def run(*options: str) -> str:
        result = await asyncio.to_thread(CliRunner().invoke, main, ["privacy", "retain", *options])
        assert result.exit_code == 0, result.output
        return result.stdout

    assert "sessions: 1 would be deleted; " in await run("--dry-run")
    assert await aged.rows("sessions") == 1
    said = await run()
    assert "sessions: 1 deleted; " in said
    assert "Circular BCB 3.978/2020, art. 67" in said
    names = [line.partition(":")[0] for line in said.splitlines()]
    assert sorted(name for name in names if name in POLICY) == sorted(POLICY)
    assert await aged.rows("sessions") == 0


def test_every_rule_that_deletes_has_a_job() -> None:
    deleting = {name for name, rule in POLICY.items() if rule.deletes}
    assert deleting == retention._JOBS.keys() | {"idempotency_keys"}
    assert all(rule.source and rule.reason for rule in POLICY.values())


async def test_workers_pass_each_hour_and_not_together(aged: _Aged) -> None:
    loop = aged.bank.bank.data_retention.loop
    assert (loop.interval_s, loop.jitter, loop.begins_with_pause) == (3_600.0, 0.5, True)
