"""Attacks: their plan, and the checks of their requests."""

from dataclasses import replace
from typing import Any

import pytest

from simulation.attacks.execute import ATTACKS
from simulation.attacks.steal_token import AFTERWARDS, AGAIN, DETECTED
from simulation.checks import CHECKS
from simulation.judge.database_state import EventRow
from simulation.judge.evidence import Evidence
from simulation.model.attacks import Attack, AttackKind, AttackRequest, Theft
from simulation.model.people import Role
from simulation.model.plan import Plan
from simulation.model.result import Verdict
from simulation.plan.draw import draw_plan
from simulation.scenarios import SCENARIOS
from tests.unit.simulation.changed_evidence import first, verdict, with_attempt, with_database


def attack_plan(seed: int = 7) -> Plan:
    shape = SCENARIOS["attack_day"]
    return draw_plan(seed=seed, scenario=shape, customers=6, duration_s=10, rate=20, workers=2, warm_up=False)


def test_attacks_are_a_part_of_the_plan_and_of_its_hash() -> None:
    plan = attack_plan()
    assert plan.attacks == attack_plan().attacks
    assert plan.attacks != attack_plan(seed=8).attacks
    assert replace(plan, attacks=plan.attacks[:-1]).hash != plan.hash
    assert replace(plan, protection=None).hash != plan.hash


def test_every_kind_of_attack_is_planned_and_executed() -> None:
    assert {attack.kind for attack in attack_plan().attacks} == set(AttackKind) == set(ATTACKS)
    assert {attack.theft for attack in attack_plan().attacks} == {None, *Theft}


def test_attackers_attack_people_from_addresses_of_their_own() -> None:
    plan = attack_plan()
    roles = [person.role for person in plan.people]
    addresses = [address for attack in plan.attacks for address in attack.addresses]
    assert all(roles[attack.attacker] is Role.ATTACKER for attack in plan.attacks)
    assert all(roles[attack.victim] not in {Role.ATTACKER, Role.TELLER} for attack in plan.attacks)
    assert len({*addresses, *(person.address for person in plan.people)}) == len(addresses) + len(plan.people)


def test_no_guess_is_right() -> None:
    plan = attack_plan()
    right = {(person.email, person.password) for person in plan.people}
    assert not right & {guess for attack in plan.attacks for guess in attack.guesses}


def test_attackers_execute_no_other_operations() -> None:
    plan = attack_plan()
    attackers = {person.index for person in plan.people_with(Role.ATTACKER)}
    assert len(attackers) == 3
    assert not attackers & {operation.person for operation in plan.drive}


def test_the_people_of_other_scenarios_have_no_address_and_no_attackers() -> None:
    plan = draw_plan(seed=7, scenario=SCENARIOS["first_day"], customers=6, duration_s=1, rate=20, workers=1)
    assert not plan.attacks
    assert {person.address for person in plan.people} == {None}
    assert plan.settings["BANK_RATE_LIMIT_EXEMPT"]


ATTACK = Attack(0, AttackKind.TOKEN_THEFT, 0, attacker=5, victim=1, slot=0, addresses=("203.0.113.7",))


def requested(step: str, *codes: str, by_owner: bool = False, **more: Any) -> AttackRequest:
    fields = {"status": 200, "codes": codes, "correlation_id": f"trace of {step}", "body": b"{}", **more}
    attack = fields.pop("attack", ATTACK)
    return AttackRequest(attack, step, by_owner, 0, "203.0.113.7", 0, b"", **fields)


def attacked(evidence: Evidence, *requests: AttackRequest, event_type: str = "RefreshTokenReusedEvent") -> Evidence:
    """Return evidence with these requests of attacks; the detected theft has an event of this type."""
    event = EventRow(1, event_type, "session", "Session", {})
    row = {"position": 1, "metadata": {"correlation_id": f"trace of {DETECTED}"}}
    changed = with_database(evidence, events=[event], rows={"event_store": [row]})
    return replace(changed, attack_requests=requests)


REFUSED = requested(DETECTED, "INVALID_REFRESH_TOKEN")
ENDED = requested(AFTERWARDS, "UNAUTHENTICATED")
RETURNED = requested(AGAIN, by_owner=True)


def test_a_theft_that_ends_the_session_passes(evidence: Evidence) -> None:
    assert verdict("theft_ends_family", attacked(evidence, REFUSED, ENDED, RETURNED)) is Verdict.PASS


@pytest.mark.parametrize(
    "requests",
    [
        (requested(DETECTED), ENDED, RETURNED),
        (REFUSED, requested(AFTERWARDS), RETURNED),
        (REFUSED, ENDED, requested(AGAIN, "INVALID_CREDENTIALS", by_owner=True)),
    ],
)
def test_a_theft_that_leaves_a_valid_token_or_keeps_the_owner_out_fails(
    evidence: Evidence, requests: tuple[AttackRequest, ...]
) -> None:
    assert verdict("theft_ends_family", attacked(evidence, *requests)) is Verdict.FAIL


def test_a_theft_without_its_event_fails(evidence: Evidence) -> None:
    changed = attacked(evidence, REFUSED, ENDED, RETURNED, event_type="ActionRefusedEvent")
    assert verdict("theft_ends_family", changed) is Verdict.FAIL


def test_a_theft_without_an_answer_decides_nothing(evidence: Evidence) -> None:
    lost = requested(DETECTED, failure="TimeoutError")
    assert verdict("theft_ends_family", attacked(evidence, lost)) is Verdict.UNKNOWN


def test_people_who_are_served_pass(evidence: Evidence) -> None:
    refused = requested("a guessed password", "RATE_LIMITED")
    assert verdict("honest_people_are_served", attacked(evidence, refused, RETURNED)) is Verdict.PASS


@pytest.mark.parametrize("kind", ["login", "me"])
def test_a_throttled_person_fails(evidence: Evidence, kind: str) -> None:
    attempt = first(evidence, lambda attempt: attempt.operation.kind == kind)
    changed = with_attempt(evidence, attempt, outcome="refused", code="RATE_LIMITED")
    assert verdict("honest_people_are_served", changed) is Verdict.FAIL


def test_a_right_password_that_is_refused_fails(evidence: Evidence) -> None:
    attempt = first(evidence, lambda attempt: attempt.operation.kind == "login")
    refused = with_attempt(evidence, attempt, outcome="refused", code="INVALID_CREDENTIALS")
    assert verdict("honest_people_are_served", refused) is Verdict.FAIL
    overloaded = with_attempt(evidence, attempt, outcome="refused", code="OVERLOADED")
    assert verdict("honest_people_are_served", overloaded) is Verdict.PASS


def test_a_victim_who_is_refused_fails(evidence: Evidence) -> None:
    refused = requested("the owner refreshes", "INVALID_REFRESH_TOKEN", by_owner=True)
    assert verdict("honest_people_are_served", attacked(evidence, refused)) is Verdict.FAIL


@pytest.mark.parametrize("name", ["theft_ends_family", "honest_people_are_served"])
def test_checks_of_attacks_do_not_apply_to_other_scenarios(evidence: Evidence, name: str) -> None:
    assert not CHECKS[name].applies(evidence)
    assert CHECKS[name].applies(replace(evidence, plan=attack_plan()))
