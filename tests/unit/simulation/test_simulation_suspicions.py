"""The check of suspicious activity: who raises an alarm, and who must."""

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from simulation.attacks.stuff_credentials import DETECTED, GUESS
from simulation.checks.only_attackers_are_suspected import ACCOUNTS, WINDOW_NS, most_accounts
from simulation.judge.database_state import EventRow
from simulation.judge.evidence import Evidence
from simulation.model.attacks import Attack, AttackKind, AttackRequest
from simulation.model.people import Role
from simulation.model.result import Verdict
from tests.unit.simulation.changed_evidence import verdict, with_database

CHECK = "only_attackers_are_suspected"
ADDRESS, ELSEWHERE = "203.0.113.7", "2001:db8::7"
ATTACK = Attack(0, AttackKind.CREDENTIAL_STUFFING, 0, attacker=5, victim=1, slot=0, addresses=(ADDRESS,))


def guess(number: int, *, at_ns: int = 0, code: str = "INVALID_CREDENTIALS", **more: Any) -> AttackRequest:
    sent = msgspec.json.encode({"variables": {"input": {"email": f"{number}@example.com"}}})
    fields = {"codes": (code,), "status": 200, "ended_ns": at_ns + 1, **more}
    return AttackRequest(ATTACK, GUESS, False, 0, ADDRESS, at_ns, sent, **fields)


def suspected(
    evidence: Evidence, *requests: AttackRequest, address: str | None = None, person: int | None = None
) -> Evidence:
    """Return evidence with attacks, in which person 5 is the attacker, and with an event about an address or person."""
    people = [replace(p, role=Role.ATTACKER) if p.index == 5 else p for p in evidence.plan.people]
    plan = replace(evidence.plan, attacks=(ATTACK,), people=tuple(people))
    found = address is not None or person is not None
    about = None if person is None else evidence.user_ids[person]
    data = {"rule": "cash_out" if person else "credential_stuffing", "person_id": about}
    rows = {"event_store": [], "audit_logs": [{"id": 1, "event_position": 1, "ip_address": address}]}
    events = [EventRow(1, DETECTED, "a", "Network", data)] if found else []
    changed = with_database(replace(evidence, plan=plan), rows=rows, events=events)
    return replace(changed, attack_requests=requests)


GUESSES = [guess(number) for number in range(ACCOUNTS)]


def test_guesses_of_many_accounts_raise_an_alarm(evidence: Evidence) -> None:
    assert verdict(CHECK, suspected(evidence, *GUESSES, address=ADDRESS)) is Verdict.PASS
    assert verdict(CHECK, suspected(evidence, *GUESSES)) is Verdict.FAIL
    assert verdict(CHECK, suspected(evidence, *GUESSES, person=5)) is Verdict.FAIL, "of another rule"


@pytest.mark.parametrize(
    "guesses",
    [
        GUESSES[1:],
        [*GUESSES[1:], guess(1)],
        [*GUESSES[1:], guess(0, code="RATE_LIMITED")],
        [*GUESSES[1:], guess(0, failure="TimeoutError", status=None)],
        [*GUESSES[1:], guess(0, at_ns=WINDOW_NS)],
    ],
)
def test_fewer_accounts_in_the_window_need_no_alarm(evidence: Evidence, guesses: list[AttackRequest]) -> None:
    assert most_accounts(guesses[: ACCOUNTS - 1]) == ACCOUNTS - 1
    assert verdict(CHECK, suspected(evidence, *guesses)) is Verdict.PASS


def test_only_attackers_may_be_suspected(evidence: Evidence) -> None:
    assert verdict(CHECK, suspected(evidence, address=ADDRESS)) is Verdict.PASS
    assert verdict(CHECK, suspected(evidence, person=5)) is Verdict.PASS
    assert verdict(CHECK, suspected(evidence, address=ELSEWHERE)) is Verdict.FAIL
    assert verdict(CHECK, suspected(evidence, person=1)) is Verdict.FAIL
