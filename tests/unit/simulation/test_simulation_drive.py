"""The driver keeps to the plan with every behaviour of the bank, and distinguishes unknown from refused."""

import asyncio
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from simulation.client.replies import parse_reply
from simulation.client.send import Reply
from simulation.model.answers import TransactionReceipt
from simulation.model.operations import Intent, Kind
from simulation.run import drive
from simulation.run.execute import ATTEMPTS_MAX
from tests.unit.simulation.conftest import Execute, short_plan
from tests.unit.simulation.in_memory_bank import HideAnswer, InMemoryBank


async def test_every_planned_operation_is_sent_and_has_an_outcome(execute: Execute) -> None:
    driver, evidence = await execute()
    sent = {attempt.operation.index for attempt in evidence.attempts}
    assert sent == {operation.index for operation in evidence.plan.operations}
    assert driver.executor.unsent == []
    assert len(driver.executor.samples()) == len(evidence.plan.operations)


async def test_the_drive_is_extended_in_steps_until_the_result_is_decided(
    execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drive, "OVERTIME_STEP_S", 0.2)
    plan = short_plan(overtime_s=1)
    driver, evidence = await execute(plan=plan, undecided=2)
    sent = {attempt.operation.index for attempt in evidence.attempts}
    due = {o.index for o in plan.operations if o.phase != "overtime" or o.at_ns < 1.4e9}
    assert sent == due
    assert {sample.phase for sample in driver.executor.samples()} == {"setup", "drive", "drain"}


async def test_a_decided_drive_is_not_extended(execute: Execute) -> None:
    _, evidence = await execute(plan=short_plan(overtime_s=1))
    assert "overtime" not in {attempt.operation.phase for attempt in evidence.attempts}


async def test_nothing_is_sent_before_its_intended_start(execute: Execute) -> None:
    driver, evidence = await execute()
    began_ns = driver.executor.drive_began_ns or 0
    driven = [a for a in evidence.attempts if a.operation.phase == "drive"]
    assert all(attempt.invoked_ns >= began_ns + attempt.operation.at_ns for attempt in driven)


async def test_a_dependent_operation_is_sent_after_the_answer_of_its_predecessor(execute: Execute) -> None:
    _, evidence = await execute()
    ended = {attempt.operation: attempt.ended_ns for attempt in evidence.attempts}
    waiting = [a for a in evidence.attempts if a.operation.waits and a.number == 1]
    assert waiting
    assert all(a.invoked_ns >= ended[a.operation.follows] for a in waiting if a.operation.follows is not None)


async def test_latency_counts_from_the_intended_start_and_includes_stalls(execute: Execute) -> None:
    stalled = asyncio.Event()

    async def trouble(_name: str, _variables: dict[str, Any], _before: int) -> None:
        if not stalled.is_set() and _name == "Me":
            stalled.set()
            # This blocks the only event loop, so that neither the bank nor the clients can run.
            time.sleep(0.3)  # noqa: ASYNC251 - see above

    driver, _ = await execute(InMemoryBank(trouble=trouble))
    driven = [sample for sample in driver.executor.samples() if sample.phase == "drive"]
    late = [sample for sample in driven if sample.latency_ms > 100]
    assert len(late) > 10, "people who meant to start during the stall waited for it"
    assert sum(sample.service_ms > 100 for sample in driven) < len(late)


async def test_a_missing_answer_is_unknown_and_the_same_key_is_sent_again(execute: Execute) -> None:
    hidden: set[str] = set()

    async def trouble(name: str, variables: dict[str, Any], _before: int) -> None:
        key = variables.get("input", {}).get("idempotencyKey")
        if name == "Transfer" and key not in hidden and len(hidden) < 5:
            hidden.add(key)
            raise HideAnswer

    # There is no logout in this scenario, so each first request was executed.
    _, evidence = await execute(InMemoryBank(trouble=trouble), short_plan("hot_account"))
    for (_, key), attempts in evidence.by_key.items():
        if key in hidden:
            first, second, *_ = [a for a in attempts if a.operation.index == attempts[0].operation.index]
            assert (first.outcome, first.number, second.number) == ("unknown", 1, 2)
            assert second.sent == first.sent
            assert second.replayed is True or second.outcome == "refused"
    assert len(hidden) == 5


async def test_the_number_of_attempts_without_an_answer_is_bounded(
    execute: Execute, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulation.run.execute.BACKOFF_FIRST_S", 0.001)
    monkeypatch.setattr("simulation.run.execute.BACKOFF_MAX_S", 0.002)

    async def trouble(name: str, _variables: dict[str, Any], _before: int) -> web.Response | None:
        return web.Response(status=502, text="no bank here") if name == "AccountBalance" else None

    driver, evidence = await execute(InMemoryBank(trouble=trouble))
    tries = Counter(a.operation.index for a in evidence.attempts if a.operation.kind is Kind.BALANCE)
    assert set(tries.values()) == {ATTEMPTS_MAX}
    assert {s.outcome for s in driver.executor.samples() if s.operation == "balance"} == {"unknown"}


async def test_a_request_refused_by_a_full_queue_is_retried_and_executed_once(execute: Execute) -> None:
    refused: set[str] = set()

    async def trouble(name: str, variables: dict[str, Any], _before: int) -> web.Response | None:
        key = variables.get("input", {}).get("idempotencyKey")
        if name != "Deposit" or key in refused:
            return None
        refused.add(key)
        error = {"message": "full", "extensions": {"code": "OVERLOADED", "retryable": True}}
        return web.json_response({"errors": [error]}, status=503)

    _, evidence = await execute(InMemoryBank(trouble=trouble))
    deposits = [attempts for attempts in evidence.by_key.values() if attempts[0].operation.kind is Kind.DEPOSIT]
    assert deposits
    for attempts in deposits:
        assert [a.code for a in attempts[:2]] == ["OVERLOADED", None]
        assert len([a for a in attempts if isinstance(a.answer, TransactionReceipt)]) >= 1


async def test_a_refresh_without_an_answer_is_sent_again_with_the_same_token(execute: Execute) -> None:
    sent: dict[str, list[str]] = {}

    async def trouble(name: str, variables: dict[str, Any], _before: int) -> None:
        if name == "RefreshSession":
            token = variables["input"]["refreshToken"]
            sent.setdefault(token, []).append(token)
            if len(sent[token]) == 1:
                raise HideAnswer

    _, evidence = await execute(InMemoryBank(trouble=trouble))
    refreshes = [a for a in evidence.attempts if a.operation.kind is Kind.REFRESH]
    assert {"unknown", "ok"} == {attempt.outcome for attempt in refreshes}
    assert all(len(tokens) > 1 for tokens in sent.values())


async def test_a_person_with_a_closed_session_logs_in_again(execute: Execute) -> None:
    plan = short_plan()
    assert any(o.intent is Intent.CLOSED_TOKEN for o in plan.drive)
    _, evidence = await execute(plan=plan)
    closed = [a for a in evidence.attempts if a.operation.intent is Intent.CLOSED_TOKEN]
    assert {a.code for a in closed} == {"UNAUTHENTICATED"}
    later = [a for a in evidence.attempts if a.operation.person == closed[0].operation.person]
    assert later[-1].outcome in {"ok", "refused"}


async def test_the_history_has_a_line_for_each_request_and_each_outcome_and_no_secret(
    execute: Execute, tmp_path: Path
) -> None:
    driver, evidence = await execute()
    text = (tmp_path / "history.jsonl").read_text()
    lines = [json.loads(line) for line in text.splitlines()]
    assert sum(line["is"] == "invoke" for line in lines) == len(evidence.attempts)
    assert sum(line["is"] in {"ok", "refused", "unknown", "error"} for line in lines) == len(evidence.attempts)
    for person in evidence.plan.people:
        assert person.password not in text
        assert person.cpf not in text
        assert person.full_name not in text
        assert person.email not in text
    assert driver.executor.tokens.issued
    assert not any(tokens.access in text or tokens.refresh in text for tokens in driver.executor.tokens.issued)


@pytest.mark.parametrize(
    ("reply", "outcome"),
    [
        (Reply(failure="TimeoutError"), "unknown"),
        (Reply(status=502, failure="HTTP 502 without JSON"), "unknown"),
        (Reply(status=200, failure="HTTP 200 without JSON"), "error"),
        (Reply(status=503, error_codes=("OVERLOADED",)), "refused"),
        (Reply(status=503, error_codes=("OUTCOME_UNKNOWN",)), "unknown"),
        (Reply(status=503, error_codes=("UNAVAILABLE",)), "unknown"),
        (Reply(status=500, error_codes=("INTERNAL",)), "error"),
        (Reply(status=401, error_codes=("UNAUTHENTICATED",)), "refused"),
        (Reply(status=200, data={}), "error"),
        (Reply(status=200, data={"me": {"id": "1", "accounts": []}}), "ok"),
        (Reply(status=200, data={"me": {"id": "1", "accounts": [{"id": "2"}]}}), "error"),
    ],
)
def test_only_a_definite_answer_is_ok_or_refused(reply: Reply, outcome: str) -> None:
    assert parse_reply(Kind.ME, reply).outcome == outcome


@pytest.mark.parametrize("amount", ["10.5", "10", "1e2", "10.500", 10.5, None, "\u0663.\u0660\u0660", " 1.00"])
def test_an_amount_without_exactly_two_decimals_is_malformed(amount: object) -> None:
    account = {"id": "2", "balance": {"amount": amount, "currency": "BRL"}}
    parsed = parse_reply(Kind.ME, Reply(status=200, data={"me": {"id": "1", "accounts": [account]}}))
    assert parsed.outcome == "error"
    assert parsed.code is not None
    assert parsed.code.startswith("MALFORMED")
