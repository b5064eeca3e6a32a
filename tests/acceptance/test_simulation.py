"""`simulation run` as a process: verdicts, exit codes, files, and a bank that is killed during a run."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from simulation.model.faults import FAULTS
from tests.integration.encryption import MASTER_KEY

pytestmark = pytest.mark.timeout(120)

COMMAND = [sys.executable, "-m", "simulation"]


def simulation(
    *arguments: str, environment: dict[str, str] | None = None, timeout_s: float = 110
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **(environment or {})},
        timeout=timeout_s,
    )


def short(database_url: str, redis_url: str, out: Path) -> list[str]:
    """Return the options of a run of few people on the servers of the tests."""
    sizes = ["--people", "6", "--duration", "4", "--rate", "50", "--overtime", "0"]
    servers = ["--backend", "external", "--database-url", database_url, "--redis-url", redis_url]
    return ["run", "--seed", "7", *sizes, *servers, "--out", str(out)]


def test_a_run_writes_its_files_with_the_same_verdict_in_each(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    # The bank, its commands and the connections of the judge accept such a URL.
    address = f"{database_url}{'&' if '?' in database_url else '?'}sslmode=disable&connect_timeout=10"
    ended = simulation(*short(address, redis_url, tmp_path), "--json")
    assert ended.stdout, ended.stderr
    report = json.loads(ended.stdout)
    assert report["exit_code"] == ended.returncode
    assert json.loads((tmp_path / "report.json").read_text()) == report
    assert {check["verdict"] for check in report["checks"]} == {"PASS"}
    assert (tmp_path / "report.html").read_text().startswith("<!doctype html>")
    assert "<testsuites" in (tmp_path / "junit.xml").read_text()
    lines = [json.loads(line) for line in (tmp_path / "history.jsonl").read_text().splitlines()]
    assert len(lines) > 300
    assert "Replay: simulation run --seed 7 --scenario first_day --people 6" in ended.stderr


def test_a_run_with_a_planted_bug_fails_and_says_how_to_replay_it(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    ended = simulation(*short(database_url, redis_url, tmp_path), "--mutant", "credit_twice")
    assert ended.returncode == 1
    assert "FAIL" in ended.stdout
    replays = [line for line in ended.stdout.splitlines() if "simulation run --seed 7" in line]
    assert replays
    assert replays[-1].endswith("--mutant credit_twice")


def find_worker(out: Path) -> psutil.Process:
    """Return the process of the bank that a run has started. Only its log has the process id."""
    deadline = time.monotonic() + 60
    log = out / "logs" / "worker-0.log"
    while time.monotonic() < deadline:
        if log.exists():
            for line in log.read_text().splitlines():
                if line.startswith("{") and (said := json.loads(line)).get("event") == "serving":
                    return psutil.Process(said["pid"])
        time.sleep(0.05)
    pytest.fail("the bank was not started within a minute")


def wait_for_banking(out: Path, moves: int) -> None:
    """Wait until so many operations were sent."""
    deadline = time.monotonic() + 60
    while (out / "history.jsonl").read_text().count('"is":"invoke"') < moves:
        assert time.monotonic() < deadline, "nobody banked within a minute"
        time.sleep(0.02)


@pytest.mark.parametrize("scenario", ["hot_account", "retries"])
def test_a_bank_that_is_killed_and_restarted_during_a_run_gets_a_correct_verdict(
    database_url: str, redis_url: str, tmp_path: Path, scenario: str
) -> None:
    sizes = ["--people", "8", "--duration", "12", "--rate", "60"]
    options = [*short(database_url, redis_url, tmp_path), *sizes, "--scenario", scenario, "--workers", "1"]
    process = subprocess.Popen(
        [*COMMAND, *options, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    worker = find_worker(tmp_path)
    wait_for_banking(tmp_path, 250)
    os.kill(worker.pid, signal.SIGKILL)
    stdout, stderr = process.communicate(timeout=100)
    report: dict[str, Any] = json.loads(stdout)
    assert [restart["reason"] for restart in report["worker_restarts"]] == ["killed by SIGKILL"]
    assert {check["name"]: check["verdict"] for check in report["checks"] if check["verdict"] != "PASS"} == {}, stderr
    unknown = [line for line in (tmp_path / "history.jsonl").read_text().splitlines() if '"is":"unknown"' in line]
    assert unknown, "the kill met requests on their way"


def test_no_fault_leads_to_a_wrong_answer_and_the_service_recovers_by_itself(tmp_path: Path) -> None:
    names = ["worker_kill", "database_kill", "connections_cut", "commit_reply_cut"]
    options = ["--people", "6", "--duration", "23", "--rate", "50", "--workers", "2", "--faults", ",".join(names)]
    ended = simulation("run", "--seed", "5", *options, "--out", str(tmp_path), "--json")
    assert ended.stdout, ended.stderr
    report: dict[str, Any] = json.loads(ended.stdout)
    assert {check["name"]: check["verdict"] for check in report["checks"] if check["verdict"] != "PASS"} == {}
    assert "service_recovers" in {check["name"] for check in report["checks"]}
    assert sorted(fault["name"] for fault in report["faults"]) == sorted(names)
    for fault in report["faults"]:
        assert fault["verdict"] == "PASS", fault
        assert fault["seen"] > 0
        assert fault["back_s"] < 15
    [killed] = [fault for fault in report["faults"] if fault["name"] == "worker_kill"]
    assert killed["takeover_s"] <= 2
    seen = {coverage_item["name"]: coverage_item for coverage_item in report["coverage"]}
    assert all(seen[f"fault_{name}"]["required"] and seen[f"fault_{name}"]["seen"] for name in names)
    assert not any(criterion["required"] for criterion in report["criteria"])
    assert f"--faults {','.join(names)}" in report["run"]["replay_command"]
    assert "Faults, each when the service is back after the one before:" in ended.stderr
    assert "PostgreSQL is killed" in (tmp_path / "junit.xml").read_text()
    lost = [line for line in (tmp_path / "history.jsonl").read_text().splitlines() if "OUTCOME_UNKNOWN" in line]
    assert lost, "a reply to COMMIT that is cut is told to somebody as not known"


def test_a_killed_simulation_leaves_no_bank_running(database_url: str, redis_url: str, tmp_path: Path) -> None:
    process = subprocess.Popen(
        [*COMMAND, *short(database_url, redis_url, tmp_path)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    worker = find_worker(tmp_path)
    process.kill()
    process.wait()
    psutil.wait_procs([worker], timeout=30)
    assert not worker.is_running()


def test_an_interrupted_simulation_stops_the_bank_and_reports_it(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    process = subprocess.Popen(
        [*COMMAND, *short(database_url, redis_url, tmp_path)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    worker = find_worker(tmp_path)
    process.terminate()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 2
    assert stderr.splitlines()[-1] == "simulation: could not run: interrupted"
    assert not worker.is_running()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["run", "--scenario", "doomsday"], "'doomsday' is not one of 'first_day', 'double_click', 'hot_account'"),
        (["run", "--people", "-1"], "there must be 4 to 2000 people, not -1"),
        (["run", "--people", "many"], "'many' is not a valid integer"),
        (["run", "--rate", "0"], "the rate must be 0.5 to 2000 operations a second, not 0"),
        (["run", "--backend", "cloud"], "'cloud' is not one of 'embedded', 'containers', 'external'"),
        (["run", "--faults", "gremlins"], "there is no fault gremlins; there are all, none, worker_kill,"),
        (["run", "--faults", "database_kill", "--backend", "external"], "database_kill is not possible with --backend"),
        (["run", "--faults", "all", "--duration", "10"], f"{len(FAULTS)} faults with time to recover need at least"),
        (["run", "--mutant", "gremlin"], "there is no mutant gremlin; there are credit_twice,"),
        (["run", "--out", "/dev/null/report"], "the report cannot go to /dev/null/report"),
        (["fly"], "No such command 'fly'"),
    ],
)
def test_bad_input_gets_one_sentence_and_exit_code_2(arguments: list[str], sentence: str) -> None:
    ended = simulation(*arguments)
    assert ended.returncode == 2
    assert ended.stdout == ""
    [line] = ended.stderr.splitlines()
    assert line.startswith("simulation: could not run: ")
    assert sentence in line


def test_missing_urls_of_external_servers_are_named(tmp_path: Path) -> None:
    without = {"DATABASE_URL": "", "REDIS_URL": ""}
    ended = simulation("run", "--backend", "external", "--out", str(tmp_path), environment=without)
    assert ended.returncode == 2
    assert "DATABASE_URL and REDIS_URL" in ended.stderr.splitlines()[-1]


def test_a_database_that_is_in_use_is_left_alone(database_url: str, redis_url: str, tmp_path: Path) -> None:
    create = [sys.executable, "-m", "bank", "users", "create-admin", "--email", "ana@example.com", "--password-stdin"]
    environment = {**os.environ, "DATABASE_URL": database_url, "BANK_MASTER_KEY": MASTER_KEY}
    subprocess.run(create, check=True, input="a long and lonely night\n", text=True, env=environment)
    ended = simulation(*short(database_url, redis_url, tmp_path))
    assert ended.returncode == 2
    assert "already holds 1 user, and the judge counts every row" in ended.stderr.splitlines()[-1]


def test_a_database_that_cannot_be_reached_is_named(redis_url: str, tmp_path: Path) -> None:
    nowhere = "postgresql://bank@127.0.0.1:1/bank"
    ended = simulation(*short(nowhere, redis_url, tmp_path))
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith("simulation: could not run: ")


def test_list_explains_every_scenario_check_criterion_and_mutant() -> None:
    told = json.loads(simulation("list", "--json").stdout)
    text = simulation("list").stdout
    for chapter in ("scenarios", "checks", "criteria", "faults", "coverage", "mutants"):
        assert told[chapter]
        for entry in told[chapter]:
            assert entry.get("explanation") or entry["title"]
            assert entry["name"] in text
