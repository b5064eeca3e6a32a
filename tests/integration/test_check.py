"""`bank check` finds no violation in books that the bank wrote, and names everything that was tampered with."""

import asyncio
import json
import re
import subprocess
import sys
from typing import Any

import pytest

from bank.errors import Unavailable
from bank.invariants.list import INVARIANTS
from bank.invariants.verify import verify
from benchmarks.grown_ledger import grow
from fixtures.backends.reach import run_sql
from tests.integration.api import serving, settings_for
from tests.integration.customers import brl, register_customers
from tests.integration.tampering import Tampering
from tests.integration.tampering_ledger import LEDGER_TAMPERINGS
from tests.integration.tampering_log import LOG_TAMPERINGS
from tests.integration.tampering_people import PEOPLE_TAMPERINGS
from tests.integration.tampering_state import STATE_TAMPERINGS
from tests.integration.written_books import tamper

TAMPERINGS = [*LEDGER_TAMPERINGS, *LOG_TAMPERINGS, *STATE_TAMPERINGS, *PEOPLE_TAMPERINGS]

FOLDED = {name for name in INVARIANTS if "_match_" in name}


async def test_books_that_the_bank_wrote_have_no_violations(books_url: str, superuser: Any) -> None:
    kinds = {row["kind"] for row in await superuser.fetch("select distinct kind from transactions")}
    assert kinds == {"DEPOSIT", "WITHDRAWAL", "TRANSFER", "REVERSAL", "FEE", "CAPTURE"}
    states = {row["status"] for row in await superuser.fetch("select status from holds")}
    assert states == {"CAPTURED", "RELEASED", "AUTHORIZED"}
    verdict = await verify(books_url)
    assert verdict.findings == ()
    assert (verdict.audit_lag, verdict.audit_dead_letters) == (0, 0)
    for table, counted in (
        ("accounts", verdict.accounts), ("transactions", verdict.transactions), ("entries", verdict.entries),
        ("holds", verdict.holds), ("event_store", verdict.events), ("audit_logs", verdict.audit_rows),
    ):  # fmt: skip
        assert counted == await superuser.fetchval(f"select count(*) from {table}")


@pytest.mark.parametrize("tampering", TAMPERINGS, ids=lambda tampering: tampering.what)
async def test_tampering_is_named(books_url: str, superuser: Any, tampering: Tampering) -> None:
    await tamper(superuser, *tampering.statements)
    found = {finding.invariant: finding.sentence for finding in (await verify(books_url)).findings}
    assert tampering.breaks <= found.keys()
    # State is a fold of events, so nearly every change also breaks these invariants.
    assert found.keys() - tampering.breaks <= FOLDED
    assert tampering.is_said(found[tampering.named]), found[tampering.named]


async def test_the_ledger_of_the_benchmark_has_no_violations(database_url: str) -> None:
    await grow(database_url, transactions=500, accounts=20)
    verdict = await verify(database_url)
    assert verdict.findings == ()
    assert (verdict.transactions, verdict.entries, verdict.events, verdict.audit_rows) == (500, 1_000, 2_021, 2_021)


def test_every_invariant_has_a_tampering_that_breaks_it() -> None:
    assert {tampering.named for tampering in TAMPERINGS} == set(INVARIANTS)


async def test_an_audit_behind_the_log_is_reported_and_is_no_violation(books_url: str, superuser: Any) -> None:
    await tamper(
        superuser,
        "delete from audit_logs where number > (select max(number) - 3 from audit_logs)",
        "update subscriber_positions set position = position - 3 where subscriber = 'audit'",
    )
    verdict = await verify(books_url)
    assert (verdict.findings, verdict.audit_lag) == ((), 3)


@pytest.mark.parametrize("is_served", [True, False])
async def test_an_old_event_without_an_audit_row_is_named_while_a_worker_serves_the_audit(
    books_url: str, superuser: Any, is_served: bool
) -> None:
    await tamper(
        superuser,
        "delete from audit_logs where number > (select max(number) - 3 from audit_logs)",
        "update subscriber_positions set position = position - 3, owner = gen_random_uuid(),"
        f" leased_until = now() {'+' if is_served else '-'} interval '1 minute' where subscriber = 'audit'",
        "update event_store set created_at = created_at - interval '11 seconds'"
        " where position = (select position from event_log_head)",
    )
    found = [one.sentence for one in (await verify(books_url)).findings if one.invariant == "events_audited"]
    assert [("ten seconds after the event" in sentence) for sentence in found] == [True] * is_served


async def test_a_dead_letter_of_the_audit_is_reported_and_is_no_violation(books_url: str, superuser: Any) -> None:
    await tamper(
        superuser,
        "insert into dead_letters (subscriber, event_position, error, attempts)"
        " select 'audit', max(number), 'x', 5 from audit_logs",
        "delete from audit_logs where number = (select max(number) from audit_logs)",
    )
    verdict = await verify(books_url)
    assert (verdict.findings, verdict.audit_dead_letters) == ((), 1)


async def test_a_check_does_not_wait_for_the_locks_of_a_running_bank(books_url: str, superuser: Any) -> None:
    async with superuser.transaction():
        # These are the locks of a batch and more: every row of every table that a batch writes.
        await superuser.execute("select pg_advisory_xact_lock(7205759404)")
        for table in ("accounts", "holds", "event_log_head", "subscriber_positions"):
            await superuser.execute(f"select from {table} for update")
        verdict = await verify(books_url)
    assert verdict.findings == ()


async def test_a_check_sees_one_instant_during_concurrent_writes(database_url: str, redis_url: str) -> None:
    async with serving(settings_for(database_url, redis_url)) as bank:
        customers = await register_customers(bank)
        stop = asyncio.Event()

        async def pay() -> int:
            sent = 0
            while not stop.is_set():
                there = {"fromAccountId": customers.ana.id, "toAccountNumber": customers.bia.number}
                await customers.ana.mutate("transfer", **there, amount=brl("0.01"))
                sent += 1
            return sent

        paying = [asyncio.create_task(pay()) for _ in range(4)]
        verdicts = [await verify(database_url) for _ in range(3)]
        stop.set()
        assert min([await task for task in paying]) > 0
        assert [verdict.findings for verdict in verdicts] == [()] * 3
        assert verdicts[0].entries < verdicts[2].entries


async def test_progress_is_reported_and_ends_at_the_total(books_url: str) -> None:
    told: list[float] = []
    await verify(books_url, progress=lambda done, of: told.append(done / of))
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 10


@pytest.mark.parametrize("table", ["entries", "idempotency_keys", "audit_logs"])
async def test_a_check_waits_only_briefly_for_a_table_that_a_migration_locks(
    books_url: str, superuser: Any, monkeypatch: pytest.MonkeyPatch, table: str
) -> None:
    monkeypatch.setattr("bank.invariants.verify.SETTINGS", ("set local lock_timeout = '50ms'",))
    async with superuser.transaction():
        await superuser.execute(f"lock table {table} in access exclusive mode")
        with pytest.raises(Unavailable, match="The books could not be read: canceling statement due to lock timeout"):
            await verify(books_url)


def check(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "bank", "check", "--database-url", url, *arguments],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip


def test_the_command_reports_sound_books_and_exits_with_0(books_url: str) -> None:
    done = check(books_url)
    assert (done.returncode, done.stderr) == (0, "")
    *lines, last = done.stdout.splitlines()
    assert [line.split()[1].rstrip(":") for line in lines] == list(INVARIANTS)
    assert all(line.startswith("✓ ") for line in lines)
    assert re.fullmatch(
        r"Sound: 9 accounts, \d+ transactions, \d+ entries, \d+ events and \d+ audit rows, as of .*", last
    )


def test_the_command_names_violations_and_exits_with_1(books_url: str) -> None:
    run_sql(books_url, "alter table entries disable trigger entries_are_append_only")
    done = check(books_url)
    assert done.returncode == 1
    place = done.stdout.splitlines().index(next(line for line in done.stdout.splitlines() if line.startswith("✗")))
    assert "schema_as_migrated" in done.stdout.splitlines()[place]
    assert "trigger entries_are_append_only of entries: its definition should be" in done.stdout.splitlines()[place + 1]
    assert done.stdout.splitlines()[-1].startswith(f"Broken: 1 of {len(INVARIANTS)} invariants, in 9 accounts, ")
    report = json.loads(check(books_url, "--json").stdout)
    assert report["sound"] is False
    assert [name for name, holds in report["invariants"].items() if not holds] == ["schema_as_migrated"]
    assert report["findings"][0]["found"].startswith("disabled")
    assert set(report["seconds"]) >= {"entries_and_events", "chain_begin", "chain_end"}


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("postgresql://nobody@127.0.0.1:1/none", r"bank: The books could not be read: .*"),
        ("", r"bank: DATABASE_URL is not set\. Set it, or .*"),
    ],
)
def test_a_database_that_cannot_be_read_is_one_sentence_and_exit_code_2(url: str, sentence: str) -> None:
    done = check(url)
    assert done.returncode == 2
    assert re.fullmatch(sentence, done.stderr.strip())


def test_a_database_of_another_version_is_one_sentence_and_exit_code_2(postgres_url: str) -> None:
    done = check(postgres_url)
    assert done.returncode == 2
    assert re.fullmatch(
        r"bank: The database is not migrated at all, .*: run `bank migrate` first\.", done.stderr.strip()
    )
