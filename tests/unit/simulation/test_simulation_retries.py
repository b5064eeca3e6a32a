"""The scenario `retries` uses keys in every possible way, and the judge has the correct answer to each."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from itertools import groupby
from typing import Any

import msgspec
import pytest

from simulation.checks import CHECKS
from simulation.client.replies import parse_reply
from simulation.client.send import Reply, body_of
from simulation.coverage.count import COVERAGE
from simulation.coverage.keys import KEY_COVERAGE, most_at_once
from simulation.judge.database_state import KeyRow
from simulation.judge.evidence import Evidence
from simulation.model.attempts import Attempt
from simulation.model.operations import KEY_INTENTS, KEYED_KINDS, Intent, Kind, Operation
from simulation.model.plan import Plan
from simulation.model.result import Verdict
from simulation.plan.retries import BURST
from simulation.scenarios import SCENARIOS
from tests.unit.simulation.conftest import Execute, execute_plan, short_plan
from tests.unit.simulation.in_memory_bank import HideAnswer, InMemoryBank

PLAN = short_plan("retries")


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The evidence of a correct bank after the retries. Tests change copies of it, never the original."""
    _, evidence = asyncio.run(execute_plan(InMemoryBank(), PLAN, tmp_path_factory.mktemp("retries")))
    return evidence


def intended(intent: Intent, plan: Plan = PLAN) -> list[Operation]:
    found = [operation for operation in plan.drive if operation.intent is intent]
    assert found, f"the plan has no {intent}"
    return found


def first_of(operation: Operation) -> Operation:
    assert operation.follows is not None
    return operation.follows


def before(operation: Operation) -> Operation:
    assert operation.after is not None
    return operation.after


def test_a_dependent_operation_is_planned_later_and_waits_for_its_predecessor() -> None:
    later = [operation for operation in PLAN.operations if operation.after is not None]
    assert later
    assert all(before(operation).index < operation.index for operation in later)
    assert all(operation.after in operation.awaited for operation in later)


def test_a_borrowed_key_belongs_to_another_person_and_is_used_once() -> None:
    borrowed = intended(Intent.OTHER_CALLER)
    for operation in borrowed:
        assert before(operation).key == operation.key
        assert before(operation).person != operation.person
    assert len({operation.key for operation in borrowed}) == len(borrowed)


def test_a_reused_key_is_sent_with_another_mutation_by_the_same_person() -> None:
    kinds = set()
    for operation in intended(Intent.OTHER_MUTATION):
        first = first_of(operation)
        assert (first.key, first.person) == (operation.key, operation.person)
        kinds.add((first.kind, operation.kind))
    assert kinds == {(Kind.TRANSFER, Kind.OPEN_ACCOUNT), (Kind.OPEN_ACCOUNT, Kind.TRANSFER)}


def test_a_burst_sends_one_key_fifty_times_at_once_to_all_workers() -> None:
    duplicates = sorted(intended(Intent.DUPLICATE), key=lambda operation: operation.key or "")
    for key, group in groupby(duplicates, key=lambda operation: operation.key):
        burst = [operation for operation in PLAN.drive if operation.key == key]
        assert len(list(group)) + 1 == len(burst) == BURST
        assert len({operation.at_ns for operation in burst}) == 1
        assert {operation.slot % 2 for operation in burst} == {0, 1}


def test_wrong_keys_are_missing_empty_too_long_or_malformed() -> None:
    keys = {intent: {operation.key for operation in intended(intent)} for intent in KEY_INTENTS}
    assert keys[Intent.KEY_MISSING] == {None}
    assert keys[Intent.KEY_EMPTY] == {""}
    assert {len(key or "") for key in keys[Intent.KEY_TOO_LONG]} == {256}
    assert not any((key or "").isprintable() for key in keys[Intent.KEY_MALFORMED])


def test_a_respelled_request_has_the_same_content_and_another_text() -> None:
    content: dict[str, object] = {
        "query": "q",
        "variables": {"input": {"amount": {"amount": "10.5", "currency": "BRL"}}},
    }
    usual, other = body_of(content, respelled=False), body_of(content, respelled=True)
    assert msgspec.json.decode(usual) == msgspec.json.decode(other) == content
    assert usual != other
    assert other.index(b"variables") < other.index(b"query")
    assert b"\n       " in other


async def test_respelled_transfers_and_missing_keys_are_sent_as_planned(execute: Execute) -> None:
    sent: list[dict[str, Any]] = []

    async def listen(name: str, variables: dict[str, Any], _before: int) -> None:
        if name in {"Transfer", "OpenAccount"}:
            sent.append(variables["input"])

    await execute(InMemoryBank(trouble=listen), PLAN)
    keys = {operation.key for operation in intended(Intent.RESPELLED)}
    for key in keys:
        first, again = [content for content in sent if content.get("idempotencyKey") == key]
        assert first["amount"]["amount"].endswith("0")
        assert again["amount"]["amount"] == first["amount"]["amount"].rstrip("0").rstrip(".")
        assert list(again) == list(reversed(first))
    without = [content for content in sent if content.get("idempotencyKey") is None]
    assert {"idempotencyKey" in content for content in without} == {True, False}


def by_operation(evidence: Evidence) -> dict[int, list[Attempt]]:
    found: dict[int, list[Attempt]] = {}
    for attempt in evidence.attempts:
        found.setdefault(attempt.operation.index, []).append(attempt)
    return found


def test_two_aliases_are_one_request_with_two_answers(evidence: Evidence) -> None:
    attempts = by_operation(evidence)
    for operation in intended(Intent.ALIAS):
        [one], [two] = attempts[first_of(operation).index], attempts[operation.index]
        assert one.correlation_id == two.correlation_id
        assert one.sent == replace(two.sent, amount=one.sent.amount)
        if operation.amount == first_of(operation).amount:
            assert two.replayed
        elif one.outcome == "ok":
            assert two.code == "IDEMPOTENCY_KEY_REUSED"


async def test_two_aliases_without_an_answer_are_both_unknown_and_sent_again_together(execute: Execute) -> None:
    hidden: list[str] = []

    async def hide_the_first(name: str, _variables: dict[str, Any], _before: int) -> None:
        if name == "TransferTwice" and not hidden:
            hidden.append(name)
            raise HideAnswer

    _, evidence = await execute(InMemoryBank(trouble=hide_the_first), PLAN)
    unknown = [attempt for attempt in evidence.attempts if attempt.outcome == "unknown"]
    assert [attempt.operation.intent for attempt in unknown][1:] == [Intent.ALIAS]
    for attempt in unknown:
        again = by_operation(evidence)[attempt.operation.index][1]
        assert (again.number, again.sent) == (2, attempt.sent)
    assert CHECKS["exactly_once"].check(evidence).verdict is Verdict.PASS


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("OVERLOADED", "unknown"), ("FORBIDDEN", "unknown"), ("UNAUTHENTICATED", "refused"), ("INTERNAL", "error")],
)
def test_an_error_in_one_alias_makes_the_other_one_unknown(code: str, outcome: str) -> None:
    reply = Reply(status=200, error_codes=(code,))
    assert parse_reply(Kind.TRANSFER, reply, alias="one").outcome == outcome


async def test_a_request_without_a_token_has_a_final_refusal(execute: Execute) -> None:
    _, evidence = await execute(plan=PLAN)
    attempts = by_operation(evidence)
    for operation in intended(Intent.NO_TOKEN):
        assert [attempt.code for attempt in attempts[operation.index]] == ["UNAUTHENTICATED"]


def verdict(name: str, evidence: Evidence) -> Verdict:
    return CHECKS[name].check(evidence).verdict


def with_changes(evidence: Evidence, wanted: Callable[[Attempt], bool], **changes: Any) -> Evidence:
    """Return the evidence with a change of the first attempt that fits."""
    attempt = next(attempt for attempt in evidence.attempts if wanted(attempt))
    return replace(evidence, attempts=[replace(a, **changes) if a is attempt else a for a in evidence.attempts])


def is_plain_success(attempt: Attempt) -> bool:
    operation = attempt.operation
    return operation.kind in KEYED_KINDS and attempt.outcome == "ok" and attempt.replayed is False


REUSED: dict[str, Any] = {"code": "IDEMPOTENCY_KEY_REUSED", "outcome": "refused", "answer": None, "replayed": False}


def test_a_first_answer_marked_as_a_replay_is_detected(evidence: Evidence) -> None:
    alone = {request_key for request_key, attempts in evidence.by_key.items() if len(attempts) == 1}

    def is_alone(attempt: Attempt) -> bool:
        return is_plain_success(attempt) and (attempt.operation.person, attempt.operation.key) in alone

    assert verdict("exactly_once", with_changes(evidence, is_alone, replayed=True)) is Verdict.FAIL


@pytest.mark.parametrize("check", ["exactly_once", "refusals_are_right"])
def test_a_refusal_of_a_key_used_by_another_person_is_detected(evidence: Evidence, check: str) -> None:
    def is_borrowed(attempt: Attempt) -> bool:
        return attempt.operation.intent is Intent.OTHER_CALLER

    assert verdict(check, with_changes(evidence, is_borrowed, **REUSED)) is Verdict.FAIL


@pytest.mark.parametrize("check", ["exactly_once", "refusals_are_right"])
@pytest.mark.parametrize("code", ["UNAUTHENTICATED", "FORBIDDEN", "INVALID_AMOUNT"])
def test_a_conflict_with_a_failed_request_is_detected(evidence: Evidence, check: str, code: str) -> None:
    in_vain = {attempt.operation for attempt in evidence.attempts if attempt.code == code}

    def comes_after(attempt: Attempt) -> bool:
        return attempt.operation.after in in_vain and attempt.outcome == "ok"

    assert verdict(check, with_changes(evidence, comes_after, **REUSED)) is Verdict.FAIL


def test_a_second_effect_of_a_key_with_other_content_is_detected(evidence: Evidence) -> None:
    answer = next(attempt.answer for attempt in evidence.attempts if is_plain_success(attempt))

    def is_other_mutation(attempt: Attempt) -> bool:
        return attempt.operation.intent is Intent.OTHER_MUTATION

    done = with_changes(evidence, is_other_mutation, code=None, outcome="ok", answer=answer, replayed=False)
    assert verdict("exactly_once", done) is Verdict.FAIL


def test_a_refusal_that_becomes_a_success_is_detected(evidence: Evidence) -> None:
    answer = next(attempt.answer for attempt in evidence.attempts if is_plain_success(attempt))

    def is_replayed_refusal(attempt: Attempt) -> bool:
        return attempt.code == "INSUFFICIENT_FUNDS" and attempt.replayed is True

    paid = with_changes(evidence, is_replayed_refusal, code=None, outcome="ok", answer=answer, replayed=False)
    assert verdict("exactly_once", paid) is Verdict.FAIL


@pytest.mark.parametrize(
    "intent", [Intent.NO_TOKEN, Intent.FORBIDDEN, Intent.KEY_TOO_LONG, Intent.KEY_MISSING, Intent.KEY_EMPTY]
)
def test_an_effect_of_a_request_that_must_be_refused_is_detected(evidence: Evidence, intent: Intent) -> None:
    answer = next(attempt.answer for attempt in evidence.attempts if is_plain_success(attempt))
    done = with_changes(
        evidence, lambda attempt: attempt.operation.intent is intent, code=None, outcome="ok", answer=answer
    )
    assert verdict("refusals_are_right", done) is Verdict.FAIL


def with_keys(evidence: Evidence, keys: dict[tuple[str, str], KeyRow]) -> Evidence:
    assert evidence.database is not None
    return replace(evidence, database=replace(evidence.database, keys=keys))


@pytest.mark.parametrize("code", ["INSUFFICIENT_FUNDS", None])
def test_a_decision_without_a_stored_key_is_detected(evidence: Evidence, code: str | None) -> None:
    assert evidence.database is not None
    decided = next(a for a in evidence.attempts if a.operation.kind is Kind.TRANSFER and a.code == code)
    forgotten = (evidence.user_ids[decided.operation.person], decided.operation.key or "")
    keys = {identity: row for identity, row in evidence.database.keys.items() if identity != forgotten}
    result = CHECKS["exactly_once"].check(with_keys(evidence, keys))
    assert any("its key is not stored" in violation for violation in result.violations)


@pytest.mark.parametrize("intent", [Intent.KEY_TOO_LONG, Intent.KEY_EMPTY])
def test_a_stored_key_without_a_decision_is_detected(evidence: Evidence, intent: Intent) -> None:
    assert evidence.database is not None
    wrong = next(a.operation for a in evidence.attempts if a.operation.intent is intent)
    owner, key = evidence.user_ids[wrong.person], wrong.key or ""
    row = KeyRow(owner, key, "transfer", None)
    result = CHECKS["exactly_once"].check(with_keys(evidence, {**evidence.database.keys, (owner, key): row}))
    assert [violation for violation in result.violations if "its key is stored" in violation]


def test_a_correct_bank_covers_every_situation(evidence: Evidence) -> None:
    assert set(KEY_COVERAGE) <= SCENARIOS["retries"].expects <= set(COVERAGE)
    seen = {name: count(evidence) for name, (_, count) in KEY_COVERAGE.items()}
    del seen["key_bursts"]  # the in-memory bank answers each request before the next one is sent
    assert [name for name, count in seen.items() if count == 0] == []


@pytest.mark.parametrize("name", sorted(set(KEY_COVERAGE) - {"key_bursts"}))
def test_a_different_answer_does_not_cover_a_situation(evidence: Evidence, name: str) -> None:
    _, count = KEY_COVERAGE[name]
    nothing = [replace(attempt, outcome="unknown", code=None, replayed=None) for attempt in evidence.attempts]
    assert count(replace(evidence, attempts=nothing)) == 0


def test_concurrent_requests_are_counted(evidence: Evidence) -> None:
    def lasting(begin: int, end: int) -> Attempt:
        return replace(evidence.attempts[0], invoked_ns=begin, ended_ns=end)

    assert most_at_once([lasting(0, 5), lasting(1, 3), lasting(2, 4), lasting(3, 9)]) == 3
    assert most_at_once([lasting(0, 1), lasting(1, 2)]) == 1
    assert most_at_once([]) == 0


def test_a_conflict_after_an_abandoned_request_is_permitted(evidence: Evidence) -> None:
    """The first request had no answer and the second one was decided, so a retry of the first is rightly refused."""
    conflict = next(a for a in evidence.attempts if a.operation.intent is Intent.CONFLICT and a.code == REUSED["code"])
    first = evidence.origin(conflict.operation)
    same_key = evidence.by_key[(first.person, first.key or "")]
    answer = next(a.answer for a in evidence.attempts if is_plain_success(a) and a.operation.kind is Kind.TRANSFER)
    changed = []
    for attempt in evidence.attempts:
        if attempt is conflict:
            changed.append(replace(attempt, outcome="ok", code=None, answer=answer, replayed=False))
        elif attempt in same_key and attempt.operation.index == first.index:
            changed.append(replace(attempt, outcome="unknown", code="UNAVAILABLE", answer=None, replayed=None))
            changed.append(replace(attempt, number=2, **REUSED))
        elif attempt in same_key:
            changed.append(replace(attempt, **REUSED))
        else:
            changed.append(attempt)
    result = CHECKS["refusals_are_right"].check(replace(evidence, attempts=changed))
    assert not any(REUSED["code"] in violation for violation in result.violations)
