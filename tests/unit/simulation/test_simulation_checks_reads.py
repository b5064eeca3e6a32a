"""Checks of displayed values and of refusals fail changed evidence."""

from dataclasses import replace
from typing import Any

import pytest

from simulation.checks.snapshot_reads import overlap
from simulation.judge.evidence import Evidence
from simulation.model.answers import Balance, Balances, Page, TransactionReceipt
from simulation.model.attempts import Attempt
from simulation.model.operations import Intent, Kind
from simulation.model.people import Role
from simulation.model.result import Verdict
from tests.unit.simulation.changed_evidence import first, transfer, verdict, with_attempt


def stale_look(evidence: Evidence) -> tuple[Attempt, int]:
    """Return a read of an account after an acknowledged change by its owner, and a balance from before that change."""
    timelines = evidence.timelines
    assert timelines is not None
    for attempt in evidence.attempts:
        if isinstance(attempt.answer, Balance) and attempt.answer.account_id is not None:
            timeline = timelines.accounts[attempt.answer.account_id]
            told = timeline.newest_acknowledged(attempt.invoked_ns, person=attempt.operation.person)
            stale = [b for b in timeline.balances[1:told] if b not in timeline.balances[told:]]
            if stale:
                return attempt, stale[0]
    pytest.fail("nobody looked at an account after having moved money from it")


def test_a_read_without_an_acknowledged_own_transfer_breaks_read_your_writes(evidence: Evidence) -> None:
    look, before = stale_look(evidence)
    doctored = with_attempt(evidence, look, answer=Balance(look.sent.account_id, before))
    assert verdict("read_your_writes", doctored) is Verdict.FAIL
    assert verdict("reads_match_entries", doctored) is Verdict.PASS, (
        "the balance was there once; it is stale, not invented"
    )


def test_a_displayed_balance_that_never_existed_is_detected(evidence: Evidence) -> None:
    look = first(evidence, lambda a: isinstance(a.answer, Balance) and a.answer.account_id is not None)
    doctored = with_attempt(evidence, look, answer=Balance(look.sent.account_id, 123_456_789))
    assert verdict("reads_match_entries", doctored) is Verdict.FAIL
    assert verdict("read_your_writes", doctored) is Verdict.PASS, "it is invented, not stale"


def test_a_displayed_balance_of_a_later_time_is_detected(evidence: Evidence) -> None:
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
            assert verdict("reads_match_entries", doctored) is Verdict.FAIL
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
def test_a_displayed_history_that_differs_from_the_entries_is_detected(evidence: Evidence, doctor: Any) -> None:
    look = page(evidence)
    assert isinstance(look.answer, Page)
    doctored = with_attempt(evidence, look, answer=replace(look.answer, edges=tuple(doctor(look.answer.edges))))
    assert verdict("reads_match_entries", doctored) is Verdict.FAIL


def test_balances_of_two_instants_in_one_answer_are_detected(evidence: Evidence) -> None:
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
            assert verdict("snapshot_reads", doctored) is Verdict.FAIL
            return
    pytest.fail("no household looked twice with a transfer in between")


def test_overlapping_ranges_have_a_common_part() -> None:
    infinity = float("inf")
    assert overlap([(0, 3), (5, infinity)], [(2, 6), (8, 9)]) == [(2, 3), (5, 6), (8, 9)]
    assert overlap([(0, 3)], [(3, 4)]) == []


def test_an_accepted_invalid_request_is_detected(evidence: Evidence) -> None:
    wrong = first(evidence, lambda a: a.operation.intent is Intent.NEGATIVE_AMOUNT or a.code == "INVALID_AMOUNT")
    doctored = with_attempt(evidence, wrong, outcome="ok", code=None, answer=transfer(evidence).answer)
    assert verdict("refusals_are_right", doctored) is Verdict.FAIL


def test_a_refused_valid_request_is_detected(evidence: Evidence) -> None:
    right = first(evidence, lambda a: a.operation.kind is Kind.DEPOSIT)
    assert verdict("refusals_are_right", with_attempt(evidence, right, outcome="refused", code="ACCOUNT_FROZEN")) is (
        Verdict.FAIL
    )


def test_a_refusal_of_a_covered_payment_is_detected(evidence: Evidence) -> None:
    timelines = evidence.timelines
    assert timelines is not None

    def always_covered(attempt: Attempt) -> bool:
        """Return whether the account always covered the amount after its deposit, so that a refusal is always wrong."""
        if attempt.operation.kind is not Kind.TRANSFER or not isinstance(attempt.answer, TransactionReceipt):
            return False
        held = timelines.accounts[attempt.sent.account_id or ""].balances[1:]
        return attempt.replayed is False and min(held) >= attempt.answer.amount_minor

    paid = first(evidence, always_covered)
    doctored = with_attempt(evidence, paid, outcome="refused", code="INSUFFICIENT_FUNDS", answer=None)
    assert verdict("refusals_are_right", doctored) is Verdict.FAIL


def test_a_displayed_account_of_another_user_is_detected(evidence: Evidence) -> None:
    thief = first(evidence, lambda a: a.operation.intent is Intent.NOT_MINE and a.operation.kind is Kind.BALANCE)
    assert thief.answer == Balance(None, None)
    seen = with_attempt(evidence, thief, answer=Balance(thief.sent.account_id, 0))
    assert verdict("refusals_are_right", seen) is Verdict.FAIL
    assert verdict("reads_match_entries", seen) is Verdict.FAIL
