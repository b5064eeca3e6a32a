"""The judge in the scenario `payday`: a correct bank passes, and every kind of error is detected."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from simulation.checks import CHECKS, run_checks
from simulation.coverage.count import COVERAGE
from simulation.coverage.money import MONEY_COVERAGE
from simulation.judge.database_state import DatabaseState
from simulation.judge.evidence import Evidence
from simulation.judge.request_times import Window
from simulation.model.answers import (
    AccountHolds,
    AccountLimits,
    AccountStatus,
    BatchReceipt,
    HoldReceipt,
    Statement,
    TransactionReceipt,
)
from simulation.model.attempts import Attempt
from simulation.model.operations import Intent, Kind
from simulation.model.people import Role
from simulation.model.plan import Plan
from simulation.model.result import Verdict
from simulation.plan.draw import draw_plan
from simulation.scenarios import SCENARIOS
from tests.unit.simulation.conftest import execute_plan
from tests.unit.simulation.in_memory_bank import HideAnswer
from tests.unit.simulation.in_memory_payday_bank import InMemoryPaydayBank

PAYDAY = SCENARIOS["payday"]


def plan_of(seed: int = 8) -> Plan:
    """Draw a plan of six seconds with several rare situations, enough for a busy machine."""
    often = {"limit": 3, "close": 3, "freeze": 4, "refund": 14, "purchase": 20, "salaries": 7}
    shape = replace(PAYDAY, mix={**PAYDAY.mix, **often})
    return draw_plan(seed=seed, scenario=shape, customers=10, duration_s=6, rate=110, workers=2, warm_up=False)


@pytest.fixture(scope="module")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """The evidence of a correct bank after a payday. Tests change copies of it, never the original."""
    _, evidence = asyncio.run(
        execute_plan(InMemoryPaydayBank(terms=PAYDAY.terms), plan_of(), tmp_path_factory.mktemp("payday"))
    )
    return evidence


def verdict(name: str, evidence: Evidence) -> Verdict:
    return CHECKS[name].check(evidence).verdict


def first(evidence: Evidence, wanted: Callable[[Attempt], bool]) -> Attempt:
    return next(attempt for attempt in evidence.attempts if attempt.replayed is not True and wanted(attempt))


def of_kind(kind: Kind, code: str | None = None) -> Callable[[Attempt], bool]:
    return lambda attempt: attempt.operation.kind is kind and attempt.code == code and attempt.outcome != "unknown"


def with_changes(evidence: Evidence, attempt: Attempt, **changes: Any) -> Evidence:
    return replace(evidence, attempts=[replace(a, **changes) if a is attempt else a for a in evidence.attempts])


def refused_with(code: str) -> dict[str, Any]:
    return {"outcome": "refused", "code": code, "answer": None}


def database_of(evidence: Evidence) -> DatabaseState:
    assert evidence.database is not None
    return evidence.database


def with_database(evidence: Evidence, **changes: Any) -> Evidence:
    return replace(evidence, database=replace(database_of(evidence), **changes))


def test_a_correct_bank_passes_every_check(evidence: Evidence) -> None:
    assert [result for result in run_checks(evidence) if result.verdict is not Verdict.PASS] == []


def test_households_pay_no_fees() -> None:
    for seed in range(10):
        plan = plan_of(seed)
        households = {person.index for person in plan.people_with(Role.HOUSEHOLD)}
        charged = [o for o in plan.drive if o.kind in {Kind.TRANSFER, Kind.WITHDRAW, Kind.BATCH}]
        assert charged
        assert [operation for operation in charged if operation.person in households] == []


def test_a_payday_covers_every_situation(evidence: Evidence) -> None:
    assert PAYDAY.expects <= set(COVERAGE)
    seen = {name: count(evidence) for name, (_, count) in MONEY_COVERAGE.items()}
    assert [name for name, count in seen.items() if not count] == []


@pytest.mark.parametrize("name", sorted(MONEY_COVERAGE.keys() - {"holds_expired", "fees"}))
def test_a_different_answer_does_not_count_as_coverage(evidence: Evidence, name: str) -> None:
    nothing = [replace(a, outcome="unknown", code=None, replayed=None, answer=None) for a in evidence.attempts]
    _, count = MONEY_COVERAGE[name]
    assert count(replace(evidence, attempts=nothing)) == 0


KEYED = ["Withdraw", "TransferBatch", "ReverseTransaction", "AuthorizeHold", "CaptureHold", "ReleaseHold"]


async def test_lost_answers_are_resolved_with_the_same_key(tmp_path: Path) -> None:
    hidden: set[str] = set()

    async def hide_one_each(name: str, _variables: dict[str, Any], _before: int) -> None:
        if name in KEYED and name not in hidden:
            hidden.add(name)
            raise HideAnswer

    _, evidence = await execute_plan(
        InMemoryPaydayBank(terms=PAYDAY.terms, trouble=hide_one_each), plan_of(4), tmp_path
    )
    assert hidden == set(KEYED)
    assert sum(attempt.outcome == "unknown" for attempt in evidence.attempts) == len(KEYED)
    assert [result for result in run_checks(evidence) if result.verdict is not Verdict.PASS] == []


@pytest.mark.parametrize(
    "kind", [Kind.WITHDRAW, Kind.BATCH, Kind.REVERSE, Kind.AUTHORIZE, Kind.CAPTURE, Kind.RELEASE], ids=str
)
def test_an_effect_without_an_answer_is_found_in_the_books(evidence: Evidence, kind: Kind) -> None:
    told = first(evidence, of_kind(kind))
    request_key = (told.operation.person, told.operation.key)
    silent = [
        replace(a, outcome="unknown", answer=None, replayed=None, code=None)
        if (a.operation.person, a.operation.key) == request_key
        else a
        for a in evidence.attempts
    ]
    untold = replace(evidence, attempts=silent)
    assert untold.oracle.unknown_outcomes == 1
    assert verdict("balances_match_oracle", untold) is Verdict.PASS
    assert verdict("balances_match_oracle", replace(untold, database=None)) is Verdict.UNKNOWN


def test_held_money_displayed_as_available_is_detected(evidence: Evidence) -> None:
    look = first(evidence, lambda a: isinstance(a.answer, AccountHolds))
    assert isinstance(look.answer, AccountHolds)
    shown = replace(look.answer, held_minor=look.answer.held_minor or 100, available_minor=look.answer.balance_minor)
    assert verdict("reads_match_entries", with_changes(evidence, look, answer=shown)) is Verdict.FAIL


def test_holds_with_another_sum_than_the_held_amount_are_detected(evidence: Evidence) -> None:
    look = first(evidence, lambda a: isinstance(a.answer, AccountHolds))
    assert isinstance(look.answer, AccountHolds)
    held_minor = look.answer.held_minor or 100
    shown = replace(
        look.answer, held_minor=held_minor, available_minor=look.answer.balance_minor - held_minor, holds=()
    )
    assert verdict("reads_match_entries", with_changes(evidence, look, answer=shown)) is Verdict.FAIL


def test_a_negative_available_balance_is_detected(evidence: Evidence) -> None:
    made = first(evidence, of_kind(Kind.AUTHORIZE))
    assert isinstance(made.answer, HoldReceipt)
    wrong = with_changes(evidence, made, answer=replace(made.answer, available_after_minor=-1))
    assert verdict("no_overdraft", wrong) is Verdict.FAIL


def test_a_balance_below_the_held_amount_in_the_events_is_detected(evidence: Evidence) -> None:
    def more(event: Any) -> Any:
        if event.event_type != "HoldAuthorizedEvent":
            return event
        return replace(event, data={**event.data, "amount_minor": 10**12})

    wrong = with_database(evidence, events=[more(event) for event in database_of(evidence).events])
    assert verdict("no_overdraft", wrong) is Verdict.FAIL


@pytest.mark.parametrize("field", ["balance_at_minor", "opening_minor", "closing_minor"])
def test_a_changed_past_balance_is_detected(evidence: Evidence, field: str) -> None:
    look = first(evidence, of_kind(Kind.STATEMENT))
    assert isinstance(look.answer, Statement)
    wrong: Any = {field: getattr(look.answer, field) + 1}
    result = CHECKS["reads_match_entries"].check(with_changes(evidence, look, answer=replace(look.answer, **wrong)))
    assert "at the end" in result.violations[0]


def test_a_statement_with_a_missing_line_is_detected(evidence: Evidence) -> None:
    look = first(evidence, lambda a: isinstance(a.answer, Statement) and len(a.answer.edges) > 0)
    assert isinstance(look.answer, Statement)
    wrong = with_changes(evidence, look, answer=replace(look.answer, edges=look.answer.edges[1:]))
    assert verdict("reads_match_entries", wrong) is Verdict.FAIL


def test_reversals_that_together_exceed_their_original_are_detected(evidence: Evidence) -> None:
    back = first(evidence, of_kind(Kind.REVERSE))
    assert isinstance(back.answer, TransactionReceipt)
    wrong = with_changes(evidence, back, answer=replace(back.answer, amount_minor=10**9))
    assert any("was reversed" in text for text in CHECKS["refusals_are_right"].check(wrong).violations)


@pytest.mark.parametrize("code", ["REVERSAL_EXCEEDS_ORIGINAL", "NOT_REVERSIBLE"])
def test_a_refusal_of_the_only_reversal_is_detected(evidence: Evidence, code: str) -> None:
    def is_alone(attempt: Attempt) -> bool:
        others = [a for a in evidence.attempts if a.sent.about_id == attempt.sent.about_id]
        return of_kind(Kind.REVERSE)(attempt) and len(others) == 1

    assert verdict("refusals_are_right", with_changes(evidence, first(evidence, is_alone), **refused_with(code))) is (
        Verdict.FAIL
    )


@pytest.mark.parametrize("kind", [Kind.CAPTURE, Kind.RELEASE], ids=str)
def test_a_hold_refused_as_ended_before_any_end_is_detected(evidence: Evidence, kind: Kind) -> None:
    def is_alone(attempt: Attempt) -> bool:
        others = [a for a in evidence.attempts if a.sent.about_id == attempt.sent.about_id]
        return of_kind(kind)(attempt) and len(others) == 1

    wrong = with_changes(evidence, first(evidence, is_alone), **refused_with("HOLD_ENDED"))
    assert any("nothing can have ended" in text for text in CHECKS["refusals_are_right"].check(wrong).violations)


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (Kind.BATCH, "INSUFFICIENT_FUNDS"),
        (Kind.BATCH, "LIMIT_EXCEEDED"),
        (Kind.BATCH, "ACCOUNT_CLOSED"),
        (Kind.DEPOSIT, "ACCOUNT_FROZEN"),
        (Kind.AUTHORIZE, "INVALID_INPUT"),
        (Kind.CAPTURE, "INSUFFICIENT_FUNDS"),
        (Kind.CAPTURE, "CAPTURE_EXCEEDS_HOLD"),
        (Kind.FREEZE, "ACCOUNT_CLOSED"),
        (Kind.LIMIT, "INVALID_AMOUNT"),
    ],
)
def test_a_refusal_without_its_reason_is_detected(evidence: Evidence, kind: Kind, code: str) -> None:
    def is_usual(attempt: Attempt) -> bool:
        return of_kind(kind)(attempt) and attempt.operation.intent is Intent.PLAIN

    wrong = with_changes(evidence, first(evidence, is_usual), **refused_with(code))
    assert verdict("refusals_are_right", wrong) is Verdict.FAIL


@pytest.mark.parametrize("code", ["ACCOUNT_FROZEN", "LIMIT_EXCEEDED"])
def test_a_success_against_a_constant_reason_for_refusal_is_detected(evidence: Evidence, code: str) -> None:
    """Some refusals come just before their reason ends, so a success instead of them could be correct."""
    paid = first(evidence, of_kind(Kind.TRANSFER))
    refused = [attempt for attempt in evidence.attempts if of_kind(Kind.TRANSFER, code)(attempt)]
    done: dict[str, Any] = {"outcome": "ok", "code": None, "answer": paid.answer, "replayed": False}
    wrong = [verdict("refusals_are_right", with_changes(evidence, attempt, **done)) for attempt in refused]
    assert Verdict.FAIL in wrong


def test_a_refusal_of_a_hold_after_its_expiry_is_accepted(tmp_path: Path) -> None:
    """A slow bank decides after the expiry that was requested for the hold."""

    async def delay(name: str, variables: dict[str, Any], _before: int) -> None:
        if name == "AuthorizeHold":
            ends = datetime.fromisoformat(variables["input"]["expiresAt"])
            await asyncio.sleep(max(0.0, min(2.0, (ends - datetime.now(UTC)).total_seconds() + 0.01)))

    _, evidence = asyncio.run(execute_plan(InMemoryPaydayBank(terms=PAYDAY.terms, trouble=delay), plan_of(), tmp_path))
    late = [a for a in evidence.attempts if a.code == "INVALID_INPUT" and a.operation.kind is Kind.AUTHORIZE]
    assert late
    assert [result for result in run_checks(evidence) if result.verdict is not Verdict.PASS] == []
    held = first(evidence, of_kind(Kind.AUTHORIZE))
    done = with_changes(evidence, late[0], outcome="ok", code=None, answer=held.answer, invoked_ns=late[0].ended_ns)
    assert verdict("refusals_are_right", done) is Verdict.FAIL


def test_a_credit_of_a_closed_account_is_detected(evidence: Evidence) -> None:
    refused, paid = first(evidence, of_kind(Kind.DEPOSIT, "ACCOUNT_CLOSED")), first(evidence, of_kind(Kind.DEPOSIT))
    wrong = with_changes(evidence, refused, outcome="ok", code=None, answer=paid.answer, replayed=False)
    assert verdict("refusals_are_right", wrong) is Verdict.FAIL


def test_a_list_with_a_missing_transaction_is_detected(evidence: Evidence) -> None:
    made = first(
        evidence, lambda a: isinstance(a.answer, BatchReceipt) and isinstance(a.answer.items[0], TransactionReceipt)
    )
    assert isinstance(made.answer, BatchReceipt)
    [item, *rest] = made.answer.items
    less = with_changes(evidence, made, answer=BatchReceipt(("INSUFFICIENT_FUNDS", *rest)))
    assert verdict("balances_match_oracle", less) is Verdict.FAIL
    assert isinstance(item, TransactionReceipt)
    more = with_changes(evidence, made, answer=BatchReceipt((replace(item, transaction_id="nowhere"), *rest)))
    assert verdict("acknowledged_is_durable", more) is Verdict.FAIL


def test_a_missing_or_wrong_fee_is_detected(evidence: Evidence) -> None:
    transactions = database_of(evidence).transactions
    fee = next(row for row in transactions.values() if row.kind == "FEE")
    without = {id_: row for id_, row in transactions.items() if row is not fee}
    assert verdict("exactly_once", with_database(evidence, transactions=without)) is Verdict.FAIL
    dearer = {**transactions, fee.id: replace(fee, amount_minor=fee.amount_minor + 1)}
    assert verdict("balances_match_oracle", with_database(evidence, transactions=dearer)) is Verdict.FAIL


@pytest.mark.parametrize("check", ["balances_match_oracle", "events_complete"])
@pytest.mark.parametrize("status", ["CAPTURED", "RELEASED"])
def test_a_hold_with_another_end_than_acknowledged_is_detected(evidence: Evidence, check: str, status: str) -> None:
    holds = database_of(evidence).holds
    hold = next(row for row in holds.values() if row.status == status)
    other = replace(hold, status="RELEASED" if status == "CAPTURED" else "CAPTURED", captured_minor=0)
    assert verdict(check, with_database(evidence, holds={**holds, hold.id: other})) is Verdict.FAIL


def test_a_missing_hold_is_detected(evidence: Evidence) -> None:
    made = first(evidence, of_kind(Kind.AUTHORIZE))
    assert isinstance(made.answer, HoldReceipt)
    holds = {id_: row for id_, row in database_of(evidence).holds.items() if id_ != made.answer.hold.hold_id}
    assert verdict("acknowledged_is_durable", with_database(evidence, holds=holds)) is Verdict.FAIL


def test_holds_that_expire_never_or_too_early_are_detected(evidence: Evidence) -> None:
    holds = database_of(evidence).holds
    waiting = next(row for row in holds.values() if row.status == "AUTHORIZED")
    late = with_database(evidence, holds={**holds, waiting.id: replace(waiting, expires_at_s=0.0)})
    assert verdict("balances_match_oracle", late) is Verdict.FAIL
    expired = next(row for row in holds.values() if row.status == "EXPIRED")
    early = with_database(evidence, holds={**holds, expired.id: replace(expired, ended_at_s=0.0)})
    assert verdict("balances_match_oracle", early) is Verdict.FAIL


def test_a_held_amount_other_than_the_holds_is_detected(evidence: Evidence) -> None:
    accounts = database_of(evidence).accounts
    account = next(row for row in accounts.values() if row.held_minor)
    wrong = {**accounts, account.id: replace(account, held_minor=0)}
    assert verdict("balances_match_oracle", with_database(evidence, accounts=wrong)) is Verdict.FAIL


def test_a_hold_ended_by_two_keys_is_detected(evidence: Evidence) -> None:
    captured, released = first(evidence, of_kind(Kind.CAPTURE)), first(evidence, of_kind(Kind.RELEASE))
    assert isinstance(captured.answer, HoldReceipt)
    twice = with_changes(evidence, released, answer=replace(captured.answer, moved=None))
    assert verdict("exactly_once", twice) is Verdict.FAIL


def test_an_account_with_another_status_than_its_events_is_detected(evidence: Evidence) -> None:
    accounts = database_of(evidence).accounts
    account = next(row for row in accounts.values() if row.status == "CLOSED")
    wrong = {**accounts, account.id: replace(account, status="FROZEN")}
    assert verdict("events_complete", with_database(evidence, accounts=wrong)) is Verdict.FAIL


def test_states_and_limits_are_read_from_the_answers(evidence: Evidence) -> None:
    frozen, limited = first(evidence, of_kind(Kind.FREEZE)), first(evidence, of_kind(Kind.LIMIT))
    assert isinstance(frozen.answer, AccountStatus)
    assert frozen.answer.status == "FROZEN"
    assert isinstance(limited.answer, AccountLimits)
    assert limited.answer.per_day_minor == 10 * limited.answer.per_transfer_minor


def test_an_expired_hold_may_be_displayed_until_an_answer_shows_its_end(evidence: Evidence) -> None:
    """The bank records the time of its decision on an expiry; on a busy machine the commit can follow seconds later."""
    database = database_of(evidence)
    expiry = next(event for event in database.events if event.event_type == "HoldExpiredEvent")
    hold = database.holds[str(expiry.data["hold_id"])]
    end_ns = max(attempt.ended_ns for attempt in evidence.attempts) + 3_600 * 10**9

    def held_much_later(position: int) -> int:
        events = [replace(event, position=position) if event is expiry else event for event in database.events]
        moved = with_database(evidence, events=events)
        return moved.possible_holds.held_at_most(hold.account_id, Window(end_ns, end_ns + 1))

    # The expiry is before all answered operations, or after them; in both cases no answer shows that it is committed.
    assert held_much_later(0) + hold.amount_minor == held_much_later(10**9)
