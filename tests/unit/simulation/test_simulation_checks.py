"""Each check passes what is right and fails what was doctored; what it could not look at it never passes."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from simulation.checks import CHECKS, judge
from simulation.checks.one_instant import overlap
from simulation.checks.tally import Tally
from simulation.client.answers import Balance, Balances, Moved, Page
from simulation.faults.model import FaultName
from simulation.history import Attempt
from simulation.judge.evidence import BankCheck, Evidence, Secret
from simulation.judge.facts import EntryRow, Facts, KeyRow, LedgerSnapshot
from simulation.plan.draw import draw_plan
from simulation.plan.model import Intent, Kind
from simulation.plan.people import Role
from simulation.result import Verdict
from simulation.scenarios import SCENARIOS
from tests.unit.simulation.conftest import Play, played, short_plan
from tests.unit.simulation.paper_bank import CASH, HideAnswer, PaperBank


@pytest.fixture(scope="session")
def evidence(tmp_path_factory: pytest.TempPathFactory) -> Evidence:
    """What a right bank leaves. Nobody changes it: tests doctor copies."""
    _, evidence = asyncio.run(played(PaperBank(), short_plan(), tmp_path_factory.mktemp("evidence")))
    return evidence


def verdict(name: str, evidence: Evidence) -> Verdict:
    return CHECKS[name].check(evidence).verdict


def with_facts(evidence: Evidence, **changes: Any) -> Evidence:
    assert evidence.facts is not None
    return replace(evidence, facts=replace(evidence.facts, **changes))


def with_attempt(evidence: Evidence, attempt: Attempt, **changes: Any) -> Evidence:
    """Return the evidence with one attempt changed."""
    return replace(evidence, attempts=[replace(a, **changes) if a is attempt else a for a in evidence.attempts])


def first(evidence: Evidence, wanted: Callable[[Attempt], bool]) -> Attempt:
    return next(attempt for attempt in evidence.attempts if wanted(attempt))


def transfer(evidence: Evidence) -> Attempt:
    return first(evidence, lambda a: a.operation.kind is Kind.TRANSFER and isinstance(a.answer, Moved))


def facts_of(evidence: Evidence) -> Facts:
    assert evidence.facts is not None
    return evidence.facts


@pytest.mark.parametrize("scenario", ["first_day", "double_click", "hot_account", "retries"])
async def test_a_bank_that_is_right_passes_every_check(play: Play, scenario: str) -> None:
    _, evidence = await play(plan=short_plan(scenario))
    wrong = [result for result in judge(evidence) if result.verdict is not Verdict.PASS]
    assert wrong == []


@pytest.mark.parametrize("name", CHECKS)
def test_a_check_that_has_looked_at_nothing_does_not_pass(name: str) -> None:
    nothing = Evidence(plan=short_plan(), attempts=[], facts=None)
    assert verdict(name, nothing) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    "name",
    [
        "acknowledged_is_durable",
        "read_your_writes",
        "reads_are_true",
        "one_instant",
        "balances_match_oracle",
        "events_complete",
        "audit_complete",
        "days_are_true",
        "no_deadlocks",
    ],
)
def test_without_the_database_a_check_that_needs_it_is_unknown(name: str, evidence: Evidence) -> None:
    assert verdict(name, replace(evidence, facts=None)) is Verdict.UNKNOWN


def test_a_sentence_of_the_banks_own_check_is_a_violation(evidence: Evidence) -> None:
    finding = {"invariant": "no_overdraft", "sentence": "account 1: its balance should be 0 or more, and is -1."}
    said = BankCheck({"sound": False, "invariants": {"no_overdraft": False}, "findings": [finding]})
    result = CHECKS["bank_check_agrees"].check(replace(evidence, bank_check=said))
    assert result.verdict is Verdict.FAIL
    assert result.violations == ("no_overdraft: account 1: its balance should be 0 or more, and is -1.",)


def test_a_bank_that_does_not_say_why_its_books_are_unsound_is_not_believed(evidence: Evidence) -> None:
    said = BankCheck({"sound": False, "invariants": {"no_overdraft": False}, "findings": []})
    assert verdict("bank_check_agrees", replace(evidence, bank_check=said)) is Verdict.FAIL


def test_a_check_of_the_bank_that_could_not_look_is_unknown_and_says_why(evidence: Evidence) -> None:
    said = BankCheck(None, "bank: The books could not be read: it is raining.")
    result = CHECKS["bank_check_agrees"].check(replace(evidence, bank_check=said))
    assert result.verdict is Verdict.UNKNOWN
    assert "it is raining" in result.note


def test_a_household_whose_accounts_add_up_wrongly_in_one_answer_breaks_conservation(evidence: Evidence) -> None:
    households = {person.index for person in evidence.plan.people_with(Role.HOUSEHOLD)}
    look = first(
        evidence,
        lambda a: isinstance(a.answer, Balances) and a.operation.person in households and a.operation.phase == "drive",
    )
    assert isinstance(look.answer, Balances)
    account, balance = next(iter(look.answer.balances.items()))
    wrong = replace(look.answer, balances={**look.answer.balances, account: balance + 1})
    result = CHECKS["conservation"].check(with_attempt(evidence, look, answer=wrong))
    assert result.verdict is Verdict.FAIL
    assert result.count == 1
    assert f"operation {look.operation.index} " in result.violations[0]


@pytest.mark.parametrize("changes", [{"balances_minor": {"BRL": 1}}, {"entries_minor": {"BRL": -1}}, {"strays": ["x"]}])
def test_a_ledger_that_does_not_add_up_to_zero_breaks_conservation(evidence: Evidence, changes: dict[str, Any]) -> None:
    snapshot = replace(evidence.snapshots[0], **changes)
    assert verdict("conservation", replace(evidence, snapshots=[snapshot])) is Verdict.FAIL


def test_a_negative_balance_in_an_answer_is_an_overdraft(evidence: Evidence) -> None:
    look = first(evidence, lambda a: isinstance(a.answer, Balance) and a.answer.account_id is not None)
    doctored = with_attempt(evidence, look, answer=Balance(look.sent.account_id, -1))
    assert verdict("no_overdraft", doctored) is Verdict.FAIL


def test_a_negative_entry_of_a_customer_is_an_overdraft_and_one_of_the_bank_is_not(evidence: Evidence) -> None:
    facts = facts_of(evidence)
    assert facts.entries[CASH][0].balance_after_minor < 0
    assert verdict("no_overdraft", evidence) is Verdict.PASS
    account = next(id_ for id_ in facts.entries if id_ != CASH)
    rows = [replace(facts.entries[account][0], balance_after_minor=-1)]
    assert verdict("no_overdraft", with_facts(evidence, entries={**facts.entries, account: rows})) is Verdict.FAIL


def test_a_snapshot_with_an_overdrawn_account_is_an_overdraft(evidence: Evidence) -> None:
    snapshot = replace(evidence.snapshots[0], overdrawn=["account 1 holds -5"])
    assert verdict("no_overdraft", replace(evidence, snapshots=[snapshot])) is Verdict.FAIL


def replay_of(evidence: Evidence) -> Attempt:
    return first(evidence, lambda a: isinstance(a.answer, Moved) and a.replayed is True)


def test_a_repetition_with_another_answer_is_a_second_effect(evidence: Evidence) -> None:
    again = replay_of(evidence)
    assert isinstance(again.answer, Moved)
    other = replace(again.answer, transaction_id="another")
    assert verdict("exactly_once", with_attempt(evidence, again, answer=other)) is Verdict.FAIL


def test_a_repetition_that_does_not_say_so_is_noticed(evidence: Evidence) -> None:
    assert verdict("exactly_once", with_attempt(evidence, replay_of(evidence), replayed=False)) is Verdict.FAIL


@pytest.mark.parametrize("code", ["INSUFFICIENT_FUNDS", None])
def test_a_key_used_for_another_content_must_be_refused_for_that_reason(evidence: Evidence, code: str | None) -> None:
    conflict = first(evidence, lambda a: a.code == "IDEMPOTENCY_KEY_REUSED")
    changes: dict[str, Any] = {"code": code}
    if code is None:
        changes |= {"outcome": "ok", "answer": transfer(evidence).answer}
    assert verdict("exactly_once", with_attempt(evidence, conflict, **changes)) is Verdict.FAIL


def test_a_repetition_refused_as_a_conflict_is_noticed(evidence: Evidence) -> None:
    again = replay_of(evidence)
    changes = {"code": "IDEMPOTENCY_KEY_REUSED", "outcome": "refused", "answer": None, "replayed": False}
    assert verdict("exactly_once", with_attempt(evidence, again, **changes)) is Verdict.FAIL


def test_a_transaction_without_a_key_is_a_second_effect(evidence: Evidence) -> None:
    facts = facts_of(evidence)
    extra = replace(next(iter(facts.transactions.values())), id="extra")
    doctored = with_facts(evidence, transactions={**facts.transactions, "extra": extra})
    assert verdict("exactly_once", doctored) is Verdict.FAIL
    assert verdict("balances_match_oracle", doctored) is Verdict.FAIL


def test_an_acknowledged_transaction_that_is_not_there_is_lost(evidence: Evidence) -> None:
    facts, moved = facts_of(evidence), transfer(evidence).answer
    assert isinstance(moved, Moved)
    left = {id_: row for id_, row in facts.transactions.items() if id_ != moved.transaction_id}
    assert verdict("acknowledged_is_durable", with_facts(evidence, transactions=left)) is Verdict.FAIL


def test_an_acknowledged_transaction_without_one_of_its_entries_is_half_lost(evidence: Evidence) -> None:
    facts, moved = facts_of(evidence), transfer(evidence).answer
    assert isinstance(moved, Moved)
    credited = facts.transactions[moved.transaction_id].credit_account_id
    rows = [row for row in facts.entries[credited] if row.transaction_id != moved.transaction_id]
    doctored = with_facts(evidence, entries={**facts.entries, credited: rows})
    assert verdict("acknowledged_is_durable", doctored) is Verdict.FAIL


def test_an_acknowledged_user_or_account_that_is_not_there_is_lost(evidence: Evidence) -> None:
    facts = facts_of(evidence)
    assert verdict("acknowledged_is_durable", with_facts(evidence, users=facts.users[:-1])) is Verdict.FAIL
    accounts = dict(list(facts.accounts.items())[:-1])
    assert verdict("acknowledged_is_durable", with_facts(evidence, accounts=accounts)) is Verdict.FAIL


def stale_look(evidence: Evidence) -> tuple[Attempt, int]:
    """Return a look at an account after its owner was told of a change, and a balance of before that change."""
    timelines = evidence.timelines
    assert timelines is not None
    for attempt in evidence.attempts:
        if isinstance(attempt.answer, Balance) and attempt.answer.account_id is not None:
            timeline = timelines.accounts[attempt.answer.account_id]
            told = timeline.newest_told(attempt.invoked_ns, person=attempt.operation.person)
            stale = [b for b in timeline.balances[1:told] if b not in timeline.balances[told:]]
            if stale:
                return attempt, stale[0]
    pytest.fail("nobody looked at an account after having moved money from it")


def test_a_look_that_misses_the_own_acknowledged_transfer_breaks_read_your_writes(evidence: Evidence) -> None:
    look, before = stale_look(evidence)
    doctored = with_attempt(evidence, look, answer=Balance(look.sent.account_id, before))
    assert verdict("read_your_writes", doctored) is Verdict.FAIL
    assert verdict("reads_are_true", doctored) is Verdict.PASS, "the balance was there once; it is stale, not invented"


def test_a_balance_that_never_was_is_not_true(evidence: Evidence) -> None:
    look = first(evidence, lambda a: isinstance(a.answer, Balance) and a.answer.account_id is not None)
    doctored = with_attempt(evidence, look, answer=Balance(look.sent.account_id, 123_456_789))
    assert verdict("reads_are_true", doctored) is Verdict.FAIL
    assert verdict("read_your_writes", doctored) is Verdict.PASS, "it is invented, not stale"


def test_a_balance_from_the_future_is_not_true(evidence: Evidence) -> None:
    timelines = evidence.timelines
    assert timelines is not None
    for look in evidence.attempts:
        if not isinstance(look.answer, Balance) or look.answer.account_id is None:
            continue
        timeline = timelines.accounts[look.answer.account_id]
        newest = timeline.newest_possible(look.ended_ns)
        later = [b for b in timeline.balances[newest + 1 :] if b not in timeline.balances[: newest + 1]]
        if later:
            doctored = with_attempt(evidence, look, answer=Balance(look.answer.account_id, later[-1]))
            assert verdict("reads_are_true", doctored) is Verdict.FAIL
            return
    pytest.fail("nobody looked at an account that changed later")


def page(evidence: Evidence) -> Attempt:
    return first(
        evidence,
        lambda a: isinstance(a.answer, Page) and len(a.answer.edges) > 2 and a.operation.intent is Intent.PLAIN,
    )


@pytest.mark.parametrize(
    "doctor",
    [
        lambda edges: edges[:1] + edges[2:],
        lambda edges: edges[:1] + edges[:1] + edges[1:],
        lambda edges: (edges[1], edges[0], *edges[2:]),
        lambda edges: edges[1:],
        lambda edges: (replace(edges[0], change_minor=edges[0].change_minor + 1), *edges[1:]),
        lambda edges: (replace(edges[0], transaction_id="another"), *edges[1:]),
    ],
    ids=["left out", "doubled", "swapped", "older than the balance", "wrong amount", "not the account's"],
)
def test_a_page_of_history_that_is_not_the_entries_is_not_true(evidence: Evidence, doctor: Any) -> None:
    look = page(evidence)
    assert isinstance(look.answer, Page)
    doctored = with_attempt(evidence, look, answer=replace(look.answer, edges=tuple(doctor(look.answer.edges))))
    assert verdict("reads_are_true", doctored) is Verdict.FAIL


def test_balances_of_two_moments_in_one_answer_are_not_of_one_instant(evidence: Evidence) -> None:
    households = {person.index for person in evidence.plan.people_with(Role.HOUSEHOLD)}
    looks = [a for a in evidence.attempts if isinstance(a.answer, Balances) and a.operation.person in households]
    for early in looks:
        for late in looks:
            assert isinstance(early.answer, Balances)
            assert isinstance(late.answer, Balances)
            mixed = dict(early.answer.balances)
            if mixed.keys() != late.answer.balances.keys():
                continue
            account = next(iter(mixed))
            if mixed[account] == late.answer.balances[account]:
                continue
            mixed[account] = late.answer.balances[account]
            doctored = with_attempt(evidence, early, answer=replace(early.answer, balances=mixed))
            assert verdict("one_instant", doctored) is Verdict.FAIL
            return
    pytest.fail("no household looked twice with a transfer in between")


def test_stretches_overlap_where_both_are() -> None:
    infinity = float("inf")
    assert overlap([(0, 3), (5, infinity)], [(2, 6), (8, 9)]) == [(2, 3), (5, 6), (8, 9)]
    assert overlap([(0, 3)], [(3, 4)]) == []


def test_a_wrong_request_that_was_not_refused_is_noticed(evidence: Evidence) -> None:
    wrong = first(evidence, lambda a: a.operation.intent is Intent.NEGATIVE_AMOUNT or a.code == "INVALID_AMOUNT")
    doctored = with_attempt(evidence, wrong, outcome="ok", code=None, answer=transfer(evidence).answer)
    assert verdict("refusals_are_right", doctored) is Verdict.FAIL


def test_a_right_request_that_was_refused_is_noticed(evidence: Evidence) -> None:
    right = first(evidence, lambda a: a.operation.kind is Kind.DEPOSIT)
    assert verdict("refusals_are_right", with_attempt(evidence, right, outcome="refused", code="ACCOUNT_FROZEN")) is (
        Verdict.FAIL
    )


def test_a_refusal_for_want_of_money_that_was_there_is_noticed(evidence: Evidence) -> None:
    timelines = evidence.timelines
    assert timelines is not None

    def always_covered(attempt: Attempt) -> bool:
        """Whether the account held the amount from its funding on, so that no moment excuses a refusal."""
        if attempt.operation.kind is not Kind.TRANSFER or not isinstance(attempt.answer, Moved):
            return False
        held = timelines.accounts[attempt.sent.account_id or ""].balances[1:]
        return attempt.replayed is False and min(held) >= attempt.answer.amount_minor

    paid = first(evidence, always_covered)
    doctored = with_attempt(evidence, paid, outcome="refused", code="INSUFFICIENT_FUNDS", answer=None)
    assert verdict("refusals_are_right", doctored) is Verdict.FAIL


def test_somebody_elses_account_that_was_shown_is_noticed(evidence: Evidence) -> None:
    thief = first(evidence, lambda a: a.operation.intent is Intent.NOT_MINE and a.operation.kind is Kind.BALANCE)
    assert thief.answer == Balance(None, None)
    seen = with_attempt(evidence, thief, answer=Balance(thief.sent.account_id, 0))
    assert verdict("refusals_are_right", seen) is Verdict.FAIL
    assert verdict("reads_are_true", seen) is Verdict.FAIL


def test_a_balance_other_than_what_requests_add_up_to_is_noticed(evidence: Evidence) -> None:
    facts = facts_of(evidence)
    for id_ in (CASH, next(id_ for id_ in facts.entries if id_ != CASH)):
        account = facts.accounts[id_]
        wrong = {**facts.accounts, id_: replace(account, balance_minor=account.balance_minor + 1)}
        assert verdict("balances_match_oracle", with_facts(evidence, accounts=wrong)) is Verdict.FAIL


async def test_an_unknown_outcome_is_resolved_by_the_books_whichever_way_it_went(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("simulation.drive.ATTEMPTS_MAX", 1)
    hidden: list[str] = []
    lost: list[str] = []

    async def trouble(name: str, variables: dict[str, Any], before: int) -> Any:
        key = variables.get("input", {}).get("idempotencyKey")
        if name != "Transfer" or before % 3:
            return None
        if before % 2:
            hidden.append(key)
            raise HideAnswer
        lost.append(key)
        await asyncio.sleep(1)  # longer than the client waits
        raise ConnectionError

    _, evidence = await play(PaperBank(trouble=trouble), short_plan("hot_account"), timeout_s=0.3)
    assert hidden
    assert lost
    result = CHECKS["balances_match_oracle"].check(evidence)
    assert result.verdict is Verdict.PASS
    assert "were resolved by the books" in result.note
    assert verdict("exactly_once", evidence) is Verdict.PASS
    unresolved = CHECKS["balances_match_oracle"].check(replace(evidence, facts=None))
    assert unresolved.verdict is Verdict.UNKNOWN


def test_books_that_contradict_an_unknown_outcome_fail(evidence: Evidence) -> None:
    paid = transfer(evidence)
    assert isinstance(paid.answer, Moved)
    facts, id_ = facts_of(evidence), paid.answer.transaction_id
    same_key = evidence.by_key[(paid.operation.person, paid.operation.key or "")]
    forgotten = [
        replace(a, outcome="unknown", answer=None, code=None) if a in same_key else a for a in evidence.attempts
    ]
    doctored = with_facts(
        replace(evidence, attempts=forgotten),
        transactions={**facts.transactions, id_: replace(facts.transactions[id_], amount_minor=1)},
    )
    assert verdict("balances_match_oracle", replace(evidence, attempts=forgotten)) is Verdict.PASS
    assert verdict("balances_match_oracle", doctored) is Verdict.FAIL


@pytest.mark.parametrize(
    "doctor",
    [
        lambda facts: {"events": facts.events[:-1]},
        lambda facts: {"events": [*facts.events, replace(facts.events[-1], position=len(facts.events) + 1)]},
        lambda facts: {"events": swapped(facts)},
        lambda facts: {"head": facts.head + 1},
        lambda facts: {"positions": {"audit": facts.head, "cache": facts.head - 1}},
        lambda facts: {"dead_letters": ["cache at position 3: KeyError"]},
        lambda facts: {"users": facts.users[:-1]},
    ],
    ids=["lost", "doubled", "out of order", "head ahead", "not handled", "dead letter", "of nobody"],
)
def test_a_log_that_does_not_tell_what_happened_once_and_in_order_is_noticed(evidence: Evidence, doctor: Any) -> None:
    assert verdict("events_complete", with_facts(evidence, **doctor(facts_of(evidence)))) is Verdict.FAIL


def swapped(facts: Facts) -> list[Any]:
    """Exchange what two neighbouring events tell, and keep the positions."""
    a, b = facts.events[-2], facts.events[-1]
    return [*facts.events[:-2], replace(b, position=a.position), replace(a, position=b.position)]


@pytest.mark.parametrize(
    "doctor",
    [
        lambda rows: rows[:-1],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [*rows[:-1], replace(rows[-1], entity_id="another")],
        lambda rows: [*rows[:-1], replace(rows[-1], id=rows[0].id)],
        lambda rows: [*rows, replace(rows[-1], event_position=10**6, id="z")],
        lambda rows: [rows[0], replace(rows[1], text="changed"), *rows[2:]],
        lambda rows: [rows[0], replace(rows[1], hash=rows[2].hash), *rows[2:]],
        lambda rows: [replace(rows[0], number=2), replace(rows[1], number=1), *rows[2:]],
        lambda rows: [*rows[:-1], replace(rows[-1], number=10**6)],
    ],
    ids=[
        "lost",
        "doubled",
        "about something else",
        "written out of order",
        "of no event",
        "edited",
        "hashed by hand",
        "reordered",
        "renumbered",
    ],
)
def test_an_audit_log_that_is_not_the_events_is_noticed(evidence: Evidence, doctor: Any) -> None:
    assert verdict("audit_complete", with_facts(evidence, audits=doctor(facts_of(evidence).audits))) is Verdict.FAIL


@pytest.mark.parametrize(
    "doctor",
    [
        lambda rows: rows[:-1],
        lambda rows: [*rows, rows[-1]],
        lambda rows: [*rows[:-1], replace(rows[-1], debits=rows[-1].debits + 1)],
        lambda rows: [*rows[:-1], replace(rows[-1], debited_minor=rows[-1].debited_minor + 1)],
        lambda rows: [*rows[:-1], replace(rows[-1], credits=rows[-1].credits + 1)],
        lambda rows: [*rows[:-1], replace(rows[-1], credited_minor=rows[-1].credited_minor - 1)],
        lambda rows: [*rows[:-1], replace(rows[-1], closing_balance_minor=0)],
        lambda rows: [*rows[:-1], replace(rows[-1], day="2026-01-02")],
        lambda rows: [*rows, replace(rows[-1], account_id="another")],
    ],
    ids=["lost", "twice", "debits", "debited", "credits", "credited", "closing balance", "day", "of nobody"],
)
def test_days_that_are_not_the_entries_are_noticed(evidence: Evidence, doctor: Any) -> None:
    assert verdict("days_are_true", with_facts(evidence, days=doctor(facts_of(evidence).days))) is Verdict.FAIL


def test_a_deadlock_is_noticed_by_the_count_and_by_the_log(evidence: Evidence) -> None:
    assert verdict("no_deadlocks", with_facts(evidence, deadlocks=1)) is Verdict.FAIL
    assert verdict("no_deadlocks", replace(evidence, postgres_log="ERROR:  deadlock detected\n")) is Verdict.FAIL
    assert verdict("no_deadlocks", replace(evidence, postgres_log=None)) is Verdict.PASS


def test_a_secret_in_a_log_is_found_and_not_repeated(evidence: Evidence, tmp_path: Path) -> None:
    log = tmp_path / "worker-1.log"
    log.write_text('{"event": "fine"}\n{"event": "hunter2-and-more"}\n')
    doctored = replace(evidence, logs=[log], secrets=[Secret("the password of person 1", "hunter2-and")])
    result = CHECKS["no_secrets_in_logs"].check(doctored)
    assert result.verdict is Verdict.FAIL
    assert result.violations == ("worker-1.log, line 2: holds the password of person 1",)


def test_a_log_that_cannot_be_read_does_not_pass(evidence: Evidence, tmp_path: Path) -> None:
    doctored = replace(evidence, logs=[*evidence.logs, tmp_path / "missing.log"])
    assert verdict("no_secrets_in_logs", doctored) is Verdict.UNKNOWN


def test_an_answer_outside_of_the_contract_is_noticed(evidence: Evidence) -> None:
    any_attempt = evidence.attempts[-1]
    doctored = with_attempt(evidence, any_attempt, outcome="error", code="INTERNAL", answer=None)
    assert verdict("answers_follow_contract", doctored) is Verdict.FAIL


def test_violations_are_told_by_count_first_worst_and_last() -> None:
    tally = Tally("name", "title")
    tally.look(4)
    for text, size in (("a", 1), ("b", 9), ("c", 2)):
        tally.broke(text, size)
    result = tally.result()
    assert (result.count, result.violations) == (3, ("first: a", "worst: b", "last: c"))


def test_one_violation_is_told_once() -> None:
    tally = Tally("name", "title")
    tally.look()
    tally.broke("a", 1)
    assert tally.result().violations == ("a",)


def test_an_entry_is_what_the_timeline_is_made_of(evidence: Evidence) -> None:
    timelines = evidence.timelines
    assert timelines is not None
    rows: list[EntryRow] = list(facts_of(evidence).entries[CASH])
    assert timelines.accounts[CASH].balances == [0, *(row.balance_after_minor for row in rows)]


def test_a_snapshot_counts_as_looked_at(evidence: Evidence) -> None:
    more = replace(evidence, snapshots=[*evidence.snapshots, LedgerSnapshot(1.0, 0, {"BRL": 0}, {"BRL": 0}, [], [])])
    assert CHECKS["conservation"].check(more).examined == CHECKS["conservation"].check(evidence).examined + 1


def late_hold(evidence: Evidence, expires_at: str | None, *, kept: bool = False) -> Evidence:
    """Let somebody ask for a hold whose time was over, or not, when it came to be decided: INVALID_INPUT."""
    moved = transfer(evidence)
    operation = replace(moved.operation, kind=Kind.AUTHORIZE, key="a hold", follows=None)
    sent = replace(moved.sent, expires_at=expires_at)
    hold = replace(
        moved, operation=operation, sent=sent, outcome="refused", code="INVALID_INPUT", answer=None, replayed=False
    )
    row = KeyRow(evidence.user_ids[operation.person], "a hold", "authorizeHold", None)
    if kept:
        evidence = with_facts(evidence, keys={**facts_of(evidence).keys, (row.caller_id, row.key): row})
    return replace(evidence, attempts=sorted([*evidence.attempts, hold], key=lambda a: a.invoked_ns))


def test_a_hold_that_came_too_late_may_be_refused_but_burns_no_key(evidence: Evidence) -> None:
    late = late_hold(evidence, "1970-01-01T00:00:01+00:00")
    assert (verdict("exactly_once", late), verdict("refusals_are_right", late)) == (Verdict.PASS, Verdict.PASS)
    burned = late_hold(evidence, "1970-01-01T00:00:01+00:00", kept=True)
    assert verdict("exactly_once", burned) is Verdict.FAIL


def test_a_hold_whose_time_was_not_over_may_not_be_refused_as_too_late(evidence: Evidence) -> None:
    assert verdict("refusals_are_right", late_hold(evidence, "2100-01-01T00:00:00+00:00")) is Verdict.FAIL


def test_a_hold_without_an_end_of_its_own_cannot_come_too_late(evidence: Evidence) -> None:
    never = late_hold(evidence, None)
    assert verdict("refusals_are_right", never) is Verdict.FAIL


ERROR = {
    "level": "error",
    "event": "decision_broken",
    "operation": "transfer",
    "exception": "Traceback\nKeyError: 'my bug'",
}


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (json.dumps(ERROR), "error: decision_broken operation=transfer\nTraceback\nKeyError: 'my bug'"),
        ('{"level": "critical", "event": "gone"}', "critical: gone"),
        ('{"level": "error", "event": "dead_letter", "position": 7}', "error: dead_letter position=7"),
        ('{"level": "warning", "event": "odd", "exception": "Traceback"}', "warning: odd\nTraceback"),
        ("Exception ignored in: <function f>", "is not JSON: Exception ignored in: <function f>"),
        ("[1]", "is no JSON object: [1]"),
    ],
)
def test_an_error_a_traceback_or_an_unreadable_line_in_a_log_is_shown(
    evidence: Evidence, tmp_path: Path, line: str, said: str
) -> None:
    log = tmp_path / "worker-0.log"
    log.write_text(f'{{"level": "info", "event": "request"}}\n{line}\n')
    result = CHECKS["no_errors_in_logs"].check(replace(evidence, logs=[log]))
    assert (result.verdict, result.count) == (Verdict.FAIL, 1)
    assert result.violations == (f"worker-0.log, line 2: {said}",)


def test_a_warning_with_a_traceback_is_no_error_while_something_is_broken_on_purpose(
    evidence: Evidence, tmp_path: Path
) -> None:
    log = tmp_path / "worker-0.log"
    log.write_text('{"level": "warning", "event": "odd", "exception": "Traceback"}\n')
    plan = draw_plan(
        seed=3, scenario=SCENARIOS["first_day"], customers=4, duration_s=20, rate=2, workers=1,
        faults=[FaultName.DATABASE_SLOW],
    )  # fmt: skip
    assert verdict("no_errors_in_logs", replace(evidence, logs=[log], plan=plan)) is Verdict.PASS


def test_an_operation_that_stays_unknown_is_forgiven_only_while_something_is_broken_on_purpose(
    evidence: Evidence,
) -> None:
    moved = transfer(evidence)
    unknown = with_attempt(evidence, moved, outcome="unknown", code="OUTCOME_UNKNOWN", answer=None)
    assert verdict("every_operation_is_answered", unknown) is Verdict.FAIL
    later = replace(moved, number=2)
    retried = replace(unknown, attempts=[*unknown.attempts, later])
    assert verdict("every_operation_is_answered", retried) is Verdict.PASS
