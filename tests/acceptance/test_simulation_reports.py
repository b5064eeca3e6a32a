"""A run writes its three files in every case, and a failed run keeps its database."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from fixtures.backends.reach import run_sql
from tests.acceptance.test_simulation import short, simulation


def incomplete(out: Path) -> dict[str, Any]:
    """Return the report of a run without a verdict, after checking that all three files agree."""
    report: dict[str, Any] = json.loads((out / "report.json").read_text())
    assert (report["verdict"], report["exit_code"]) == ("COULD_NOT_RUN", 2)
    suites = ET.fromstring((out / "junit.xml").read_text())  # noqa: S314 - our own file
    assert (suites.get("tests"), suites.get("errors"), suites.get("failures")) == ("1", "1", "0")
    page = (out / "report.html").read_text()
    assert "<h1>Could not run</h1>" in page
    assert report["failed_step"] in page
    return report


def test_a_run_whose_database_does_not_answer_leaves_a_report(redis_url: str, tmp_path: Path) -> None:
    ended = simulation(*short("postgresql://bank@127.0.0.1:1/bank", redis_url, tmp_path))
    assert ended.returncode == 2
    report = incomplete(tmp_path)
    assert report["failed_step"] == "Starting PostgreSQL and Redis (external)"
    assert "does not answer" in report["reason"]


def test_a_run_on_a_database_in_use_writes_a_report_and_changes_nothing(
    postgres_url: str, redis_url: str, tmp_path: Path
) -> None:
    run_sql(postgres_url, "create table orders (id integer)")
    assert simulation(*short(postgres_url, redis_url, tmp_path)).returncode == 2
    assert "it holds the table public.orders" in incomplete(tmp_path)["reason"]
    tables = run_sql(postgres_url, "select relname from pg_class where relkind = 'r' and relnamespace = 2200")
    assert [row[0] for row in tables] == ["orders"]


def test_a_run_whose_bank_does_not_start_shows_the_output_of_the_bank(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    ended = simulation(*short(database_url, redis_url, tmp_path), environment={"BANK_DATABASE_POOL_SIZE": "1"})
    assert ended.returncode == 2
    report = incomplete(tmp_path)
    assert report["failed_step"] == "Starting 1 worker of the bank"
    shown = {excerpt["title"]: excerpt["lines"] for excerpt in report["excerpts"]}
    assert "BANK_DATABASE_POOL_SIZE is wrong" in shown["The end of worker-0.log"][-1]
    assert "BANK_DATABASE_POOL_SIZE is wrong" in (tmp_path / "junit.xml").read_text()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_run_that_is_interrupted_leaves_a_report(
    database_url: str, redis_url: str, tmp_path: Path, number: signal.Signals
) -> None:
    command = [sys.executable, "-m", "simulation", *short(database_url, redis_url, tmp_path), "--duration", "60"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    ) as process:
        assert process.stdout is not None
        assert any(line.startswith("  Registering people") for line in process.stdout)
        process.send_signal(number)
        _, complaint = process.communicate(timeout=60)
    assert process.returncode == 2
    assert complaint.splitlines()[-1] == "simulation: could not run: interrupted"
    assert incomplete(tmp_path)["reason"] == "interrupted"


@pytest.mark.timeout(240)
def test_a_failed_run_keeps_its_database_and_shows_how_to_examine_the_first_violation(
    tmp_path: Path,
) -> None:
    sizes = ["--people", "4", "--duration", "2", "--rate", "40", "--seed", "7", "--overtime", "0"]
    ended = simulation("run", *sizes, "--mutant", "credit_twice", "--out", str(tmp_path), timeout_s=200)
    assert ended.returncode == 1
    report = json.loads((tmp_path / "report.json").read_text())
    titles = [excerpt["title"] for excerpt in report["first_violation"]]
    assert titles[0] == "The violation"
    assert "Entries of the account" in titles
    assert "The violation" in (tmp_path / "junit.xml").read_text()
    assert 'id="first-violation"' in (tmp_path / "report.html").read_text()
    kept = Path(report["kept_database"])
    assert f"Database: simulation inspect {kept}" in ended.stdout
    looked = simulation("inspect", str(kept), "--sql", "select count(*) from transactions", timeout_s=100)
    assert looked.returncode == 0, looked.stderr
    assert int(looked.stdout) > 0
    subprocess.run(["rm", "-r", str(kept.parent)], check=True)


@pytest.mark.timeout(240)
def test_a_run_drops_its_database_unless_it_is_to_be_kept(tmp_path: Path) -> None:
    sizes = ["--people", "4", "--duration", "2", "--rate", "40", "--seed", "7", "--overtime", "0", "--no-keep"]
    ended = simulation("run", *sizes, "--mutant", "credit_twice", "--out", str(tmp_path), timeout_s=200)
    assert ended.returncode == 1
    assert json.loads((tmp_path / "report.json").read_text())["kept_database"] is None
