"""`bank events`, used by a person or a script while a bank is running."""

import asyncio
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from click.testing import CliRunner, Result

from bank.cli.main import main
from bank.clock import SystemClock
from bank.database.pool import Database
from bank.events.bus import Bus
from bank.events.types.accounts import BalanceUpdatedEvent
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.identifiers import uuid7
from tests.acceptance.test_serve import ENVIRONMENT, _environment, serving
from tests.integration.encryption import origins_for
from tests.integration.events import balance_updated, one_of_each

ACCOUNT = uuid7()
SOMEBODY = uuid7()


class EventsCli:
    """A database with a log, and the command line for it."""

    def __init__(self, database_url: str, redis_url: str) -> None:
        self.environment: dict[str, Any] = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **ENVIRONMENT}
        self.database_url = database_url

    def run_process(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a process of its own."""
        return subprocess.run(
            [sys.executable, "-m", "bank", "events", *arguments],
            env=_environment(**self.environment), capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    def run_in_process(self, *arguments: str) -> Result:
        """Run a command that only reads, or is refused, in this process, which takes a tenth of the time."""
        return CliRunner().invoke(main, ["events", *arguments], env=self.environment)

    def json_lines(self, *arguments: str) -> list[Any]:
        """Run a command with JSON output. Returns the parsed lines."""
        if arguments[0] in {"tail", "show", "dead-letters"}:
            result = self.run_in_process(*arguments, "--json")
            assert result.exit_code == 0, result.output
            return [json.loads(line) for line in result.stdout.splitlines()]
        done = self.run_process(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def refusal(self, *arguments: str) -> str:
        """Run a command that is refused. Returns its sentence; its standard output must be empty."""
        refused = self.run_in_process(*arguments)
        assert (refused.exit_code, refused.stdout) == (2, ""), refused.output
        [line] = refused.stderr.splitlines()
        return line

    def sql(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        async def run() -> list[tuple[Any, ...]]:
            connection = await asyncpg.connect(self.database_url)
            try:
                return [tuple(row) for row in await connection.fetch(statement, *arguments)]
            finally:
                await connection.close()

        return asyncio.run(run())

    def emit(self, *events: Any) -> None:
        async def run() -> None:
            database = Database(self.database_url, pool_size=4, pool_timeout_ms=5_000, statement_timeout_ms=5_000)
            await database.open()
            async with UnitOfWorkFactory(database, Bus(), SystemClock(), origins_for(database)).begin() as uow:
                for event in events:
                    uow.emit(event)
            await database.close()

        asyncio.run(run())

    def until(self, condition: str) -> None:
        """Wait until an SQL condition is true."""
        deadline = time.monotonic() + 20
        while self.sql(f"select {condition}") != [(True,)]:
            assert time.monotonic() < deadline, condition
            time.sleep(0.02)


CAUGHT_UP = (
    "(select bool_and(s.position = h.position) and bool_or(s.subscriber = 'account_days')"
    " from subscriber_positions s cross join event_log_head h)"
)


@pytest.fixture
def events_cli(database_url: str, redis_url: str) -> EventsCli:
    return EventsCli(database_url, redis_url)


# A shell without job control makes processes started with & ignore interrupts.
IN_THE_BACKGROUND = ["sh", "-c", 'trap "" INT; exec "$@"', "sh"]


def spending_events(account: UUID, versions: range) -> list[BalanceUpdatedEvent]:
    return [
        balance_updated(
            account_id=account, version=n, change_minor=-1, balance_minor=1_000 - n, initiated_by=SOMEBODY
        )
        for n in versions
    ]  # fmt: skip


def test_tail_shows_the_newest_events_and_filters_by_type_aggregate_and_position(events_cli: EventsCli) -> None:
    events_cli.emit(*one_of_each())
    events_cli.emit(*spending_events(ACCOUNT, range(1, 4)))
    everything = events_cli.json_lines("tail", "--lines", "1000")
    assert [event["position"] for event in everything] == list(range(1, len(one_of_each()) + 4))
    assert events_cli.json_lines("tail", "-n", "2") == everything[-2:]
    assert events_cli.json_lines("tail", "--since", "5") == everything[4:]
    assert events_cli.json_lines("tail", "--aggregate", str(ACCOUNT)) == everything[-3:]
    types = ("AccountFrozenEvent", "HoldExpiredEvent")
    filtered = events_cli.json_lines("tail", "--since", "1", "--type", types[0], "--type", types[1])
    assert [event["event_type"] for event in filtered] == list(types)
    assert events_cli.json_lines("tail", "--since", everything[-1]["created_at"]) == everything[-3:]
    assert events_cli.json_lines("tail", "--since", "2131-01-01T00:00:00Z") == []
    [line] = events_cli.run_in_process("tail", "-n", "1").stdout.splitlines()
    for part in (str(everything[-1]["position"]), "BalanceUpdatedEvent", f"Account {ACCOUNT}", '"version": 3'):
        assert part in line


@pytest.mark.parametrize("shell", [[], IN_THE_BACKGROUND], ids=["in a terminal", "in the background"])
def test_tail_follows_the_log_until_it_is_interrupted(events_cli: EventsCli, shell: list[str]) -> None:
    events_cli.emit(*spending_events(ACCOUNT, range(1, 3)))
    with subprocess.Popen(
        [*shell, sys.executable, "-m", "bank", "events", "tail", "-f", "-n", "1", "--json"],
        env=_environment(**events_cli.environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        shown = [json.loads(process.stdout.readline())]
        events_cli.emit(*spending_events(ACCOUNT, range(3, 5)))
        shown += [json.loads(process.stdout.readline()) for _ in range(2)]
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=10) == 0
        assert process.stderr.read() == ""
    assert [event["position"] for event in shown] == [2, 3, 4]


def test_tail_ends_without_an_error_when_its_output_is_closed(events_cli: EventsCli) -> None:
    events_cli.emit(*spending_events(ACCOUNT, range(1, 1_501)))
    with subprocess.Popen(
        [sys.executable, "-m", "bank", "events", "tail", "--since", "1", "--json"],
        env=_environment(**events_cli.environment), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())["position"] == 1
        process.stdout.close()
        assert process.wait(timeout=20) == 0
        assert process.stderr.read() == ""


def test_show_prints_all_fields_of_one_event_by_position_or_id(events_cli: EventsCli) -> None:
    events_cli.emit(*spending_events(ACCOUNT, range(1, 3)))
    [second] = events_cli.json_lines("show", "2")
    assert events_cli.json_lines("show", second["id"]) == [second]
    assert (second["position"], second["event_data"]["version"], second["metadata"]) == (2, 2, {})
    told = events_cli.run_in_process("show", "2").stdout
    for part in ("BalanceUpdatedEvent, version 1", f"Account {ACCOUNT}", str(SOMEBODY), '"balance_minor": 998'):
        assert part in told


def test_a_replay_beside_a_running_bank_has_a_dry_run(events_cli: EventsCli, tmp_path: Path) -> None:
    events_cli.emit(*spending_events(ACCOUNT, range(1, 21)))
    events_cli.emit(*one_of_each())
    with serving(tmp_path / "bank.log", **events_cli.environment):
        events_cli.until(CAUGHT_UP)
        events_cli.sql("delete from account_days")
        [plan] = events_cli.json_lines("replay", "account_days", "--since", "11", "--until", "20", "--dry-run")
        assert plan == {
            "subscriber": "account_days", "since": 11, "until": 20, "events": 10, "types": {"BalanceUpdatedEvent": 10},
        }  # fmt: skip
        assert events_cli.sql("select count(*) from account_days") == [(0,)]
        [done] = events_cli.json_lines("replay", "account_days", "--since", "11", "--until", "20")
        assert done == {"subscriber": "account_days", "since": 11, "until": 20, "handled": 10, "failed": []}
        assert events_cli.sql("select debits from account_days") == [(10,)]
        # The bank continues by itself, also for this subscriber.
        events_cli.emit(*spending_events(ACCOUNT, range(21, 23)))
        events_cli.until("exists (select from account_days where debits = 12)")
        told = events_cli.run_process("replay", "audit", "--since", "1")
        assert told.returncode == 0
        [(head,)] = events_cli.sql("select position from event_log_head")
        assert f"audit has handled {head} events from position 1 to {head}." in told.stdout
    assert events_cli.sql("select count(*) from audit_logs") == [(head,)]


def test_a_projection_is_rebuilt_beside_a_running_bank(events_cli: EventsCli, tmp_path: Path) -> None:
    events_cli.emit(*spending_events(ACCOUNT, range(1, 31)))
    with serving(tmp_path / "bank.log", **events_cli.environment):
        events_cli.until(CAUGHT_UP)
        days = events_cli.sql("select * from account_days")
        events_cli.sql("update account_days set debits = 7")
        told = events_cli.run_process("rebuild", "account_days")
        assert (told.returncode, told.stdout) == (0, "account_days has handled 30 events from position 1 to 30.\n")
        assert events_cli.sql("select * from account_days") == days


def test_a_dead_letter_is_listed_and_delivered_again(events_cli: EventsCli, tmp_path: Path) -> None:
    events_cli.emit(*spending_events(ACCOUNT, range(1, 4)))
    events_cli.sql("create function choke() returns trigger language plpgsql as $$ begin raise 'poison'; end $$")
    events_cli.sql("create trigger choke before insert on account_days execute function choke()")
    with serving(tmp_path / "bank.log", **events_cli.environment):
        events_cli.until("(select count(*) = 3 from dead_letters)")
        letters = events_cli.json_lines("dead-letters", "--subscriber", "account_days")
        assert [(letter["event_position"], letter["attempts"]) for letter in letters] == [(1, 5), (2, 5), (3, 5)]
        assert letters[0]["error"] == "RaiseError(sqlstate=P0001)"
        again = events_cli.run_process("redeliver", "account_days", "2")
        assert again.returncode == 1
        assert "1 failed and are dead letters: 2." in again.stdout
        events_cli.sql("drop trigger choke on account_days")
        assert events_cli.run_process("redeliver", "account_days", "2").stdout == (
            "account_days has handled 1 events from position 2 to 2.\n"
        )
        [done] = events_cli.json_lines("redeliver", "account_days", "--all")
        assert (done["handled"], done["failed"]) == (2, [])
    assert events_cli.sql("select debits, closing_balance_minor from account_days") == [(3, 997)]
    assert events_cli.run_in_process("dead-letters").stdout == "There are none.\n"
    assert [letter["attempts"] for letter in events_cli.json_lines("dead-letters", "--all")] == [5, 6, 5]


def test_an_impossible_command_is_one_sentence_and_changes_nothing(events_cli: EventsCli) -> None:
    events_cli.emit(*spending_events(ACCOUNT, range(1, 3)))
    for arguments, sentence in {
        ("tail", "--type", "Moon"): "There is no event type Moon; there are UserRegisteredEvent, ",
        ("tail", "--since", "yesterday"): "yesterday is neither a position nor a time with its zone, such as ",
        (
            "tail",
            "--since",
            "2031-05-02T09:30:00",
        ): "2031-05-02T09:30:00 is neither a position nor a time with its zone",
        ("tail", "--since", "0"): "0 is neither a position nor a time",
        ("show", "3"): "There is no event 3.",
        ("show", "three"): "three is neither a position nor the id of an event.",
        ("dead-letters", "--subscriber", "moon"): "There is no subscriber moon; there are audit, ",
        ("replay", "moon", "--since", "1"): "There is no subscriber moon; there are audit, ",
        ("redeliver", "audit"): "Say which dead letters to deliver again: their positions, or --all.",
        ("redeliver", "audit", "7", "--all"): "Say which dead letters",
    }.items():
        assert events_cli.refusal(*arguments).startswith(f"bank: {sentence}"), arguments
    for command, sentence in {
        ("redeliver", "audit", "7"): "There is no dead letter of audit at position 7.",
        ("rebuild", "audit"): "audit is not a projection and cannot be rebuilt; use replay.",
    }.items():
        refused = events_cli.run_process(*command)
        assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", f"bank: {sentence}\n")
    assert events_cli.sql("select * from subscriber_positions") == []
    events_cli.environment |= {"DATABASE_URL": "", "REDIS_URL": "memcached://x"}
    assert events_cli.refusal("tail").startswith("bank: DATABASE_URL is not set. Set it, or")
    wrong = "bank: REDIS_URL is wrong: must look like redis://host:6379/0."
    assert events_cli.refusal("rebuild", "account_days") == wrong
