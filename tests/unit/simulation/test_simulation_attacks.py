"""Attacks: their plan, and the checks of their requests."""

import re
from dataclasses import astuple, replace
from random import Random
from typing import Any
from uuid import UUID

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from contracts import OPERATIONS, SCHEMA
from simulation.attacks.execute import ATTACKS
from simulation.attacks.forge_tokens import Token, forgeries
from simulation.attacks.guess_ids import GUESSES, OF_OTHERS, account_number, id_like
from simulation.attacks.send_canaries import PATHS
from simulation.attacks.steal_token import AFTERWARDS, AGAIN, DETECTED
from simulation.checks import CHECKS
from simulation.checks.attacks_are_recorded import LOOK
from simulation.coverage.attacks import attack_results
from simulation.judge.database_state import EventRow
from simulation.judge.evidence import Evidence, Secret
from simulation.judge.personal_texts import personal_texts
from simulation.model.attacks import Attack, AttackKind, AttackRequest, CanaryPath, Quota, Theft
from simulation.model.people import Role
from simulation.model.plan import Plan
from simulation.model.result import Verdict
from simulation.plan.draw import draw_plan
from simulation.scenarios import SCENARIOS
from tests.unit.simulation.changed_evidence import first, verdict, with_attempt, with_database

MUTATION = b'{"query": "mutation { login { userErrors { code } } }"}'
QUERY = b'{"query": "{ account { id } }"}'
RECORDED = "attacks_are_recorded"
CANARIES = "canaries_stay_private"


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
    return AttackRequest(attack, step, by_owner, 0, "203.0.113.7", 0, fields.pop("sent", b""), **fields)


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


@pytest.mark.parametrize(
    "name", ["only_own_data", "theft_ends_family", "attackers_are_throttled", "honest_people_are_served"]
)
def test_checks_of_attacks_do_not_apply_to_other_scenarios(evidence: Evidence, name: str) -> None:
    assert not CHECKS[name].applies(evidence)
    assert CHECKS[name].applies(replace(evidence, plan=attack_plan()))


def test_every_operation_with_an_id_or_an_account_number_is_guessed() -> None:
    schema = "\n".join(file.read_text("utf-8") for file in SCHEMA.iterdir() if file.name.endswith(".graphql"))
    inputs = re.findall(r"^input (\w+) \{\n(.*?)^\}", schema, re.MULTILINE | re.DOTALL)
    named = {name for name, body in inputs if re.search(r"^  \w+: (ID|AccountNumber)\b", body, re.MULTILINE)}
    named |= {name for name, body in inputs if any(f"[{inner}!]" in body for inner in named)}
    with_ids = {
        file.name.removesuffix(".graphql")
        for file in OPERATIONS.iterdir()
        if file.name.endswith(".graphql")
        if set(re.findall(r"\$\w+: (\w+)", file.read_text("utf-8"))) & {*named, "ID", "AccountNumber"}
    }
    assert len(named) > 8
    assert with_ids == GUESSES.keys()


def test_an_id_of_nobody_has_the_form_of_those_of_others() -> None:
    number = account_number("0001", 42)
    assert number == "0001/00000042-4"
    id_ = "01a2312c-f847-7542-95a6-d4d90e97ee51"
    drawn = {id_like(Random(seed), id_) for seed in range(20)}
    assert len(drawn | {id_}) == 21
    assert {(one[:19], UUID(one).variant) for one in drawn} == {(id_[:19], UUID(id_).variant)}


def test_forged_tokens_differ_from_each_other_and_from_genuine_ones() -> None:
    claims = {"iss": "bank", "aud": "bank/graphql", "sub": "a", "sid": "b", "role": "CUSTOMER", "iat": 1, "exp": 2}
    header = {"alg": "HS256", "typ": "at+jwt", "kid": "0123456789abcdef"}
    own, theirs = (
        Token(header, {**claims, "sub": name}).signed("the secret that signs tokens") for name in ("own", "theirs")
    )
    forged = forgeries(own, theirs, "the secret that signs tokens")
    assert len(set(forged)) == len(forged) > 20
    assert not {own, theirs} & set(forged)
    assert jwt.decode(own, OctKey.import_key("the secret that signs tokens")).claims == {**claims, "sub": "own"}


def guessed(step: str, *codes: str, body: bytes = b"{}", **more: Any) -> AttackRequest:
    attack = replace(ATTACK, kind=AttackKind.ID_GUESSING, attacker=2)
    return requested(step, *codes, attack=attack, body=body, twin="Transfer", **more)


def in_the_books(evidence: Evidence, *requests: AttackRequest) -> Evidence:
    """Return evidence with these requests and with whole rows, in which an account of person 1 exists."""
    rows: dict[str, Any] = dict.fromkeys(("sessions", "holds", "transactions", "event_store"), ())
    users = evidence.user_ids.values()
    rows["users"] = [{"id": id_} for id_ in users]
    rows["accounts"] = [{"id": ACCOUNT, "number": "0001/00000042-4", "user_id": evidence.user_ids[1]}]
    return replace(with_database(evidence, rows=rows), attack_requests=requests)


ACCOUNT = "01a2312c-f847-7542-95a6-d4d90e97ee51"
NOT_FOUND: dict[str, Any] = {"expected": frozenset({"ACCOUNT_NOT_FOUND"})}
TWINS = (
    guessed(
        "of others", "ACCOUNT_NOT_FOUND", sent=ACCOUNT.encode(), body=f'{{"no": "{ACCOUNT}"}}'.encode(), **NOT_FOUND
    ),
    guessed("of nobody", "ACCOUNT_NOT_FOUND", sent=b"{}", body='{"no": "…"}'.encode(), **NOT_FOUND),
)


def test_equal_refusals_pass(evidence: Evidence) -> None:
    assert verdict("only_own_data", in_the_books(evidence, *TWINS)) is Verdict.PASS


@pytest.mark.parametrize(
    "request_",
    [
        guessed("executed", **NOT_FOUND),
        guessed("another code", "HOLD_NOT_FOUND", **NOT_FOUND),
        guessed("another answer", "ACCOUNT_NOT_FOUND", body=b'{"no": "such account"}', **NOT_FOUND),
        guessed("another status", "ACCOUNT_NOT_FOUND", body='{"no": "…"}'.encode(), status=404, **NOT_FOUND),
        guessed("an id", body=f'{{"id": "{ACCOUNT}"}}'.encode()),
        guessed("a number", body=b'{"number": "0001/00000042-4"}'),
    ],
    ids=lambda request: request.step,
)
def test_an_answer_that_shows_or_does_something_fails(evidence: Evidence, request_: AttackRequest) -> None:
    alone = request_ if request_.codes else replace(request_, twin=None)
    assert verdict("only_own_data", in_the_books(evidence, *TWINS, alone)) is Verdict.FAIL


def test_personal_data_of_others_in_an_answer_fails(evidence: Evidence) -> None:
    victim, attacker = evidence.plan.people[1], evidence.plan.people[2]
    for person, expected in ((victim, Verdict.FAIL), (attacker, Verdict.PASS)):
        shown = replace(guessed("a profile", body=person.email.encode()), twin=None)
        assert verdict("only_own_data", in_the_books(evidence, shown)) is expected


def test_an_event_of_an_attacker_about_others_fails(evidence: Evidence) -> None:
    people = [replace(p, role=Role.ATTACKER) if p.index == 2 else p for p in evidence.plan.people]
    changed = in_the_books(replace(evidence, plan=replace(evidence.plan, people=tuple(people))), *TWINS)
    row = {"id": 1, "position": 1, "metadata": {"actor_id": evidence.user_ids[2]}}
    for kind, expected in (("AccountFrozenEvent", Verdict.FAIL), ("ActionRefusedEvent", Verdict.PASS)):
        assert changed.database is not None
        rows = {**changed.database.rows, "event_store": [row]}
        event = EventRow(1, kind, ACCOUNT, "Account", {})
        assert verdict("only_own_data", with_database(changed, rows=rows, events=[event])) is expected


@pytest.mark.parametrize(("documents", "expected"), [(8, Verdict.PASS), (9, Verdict.FAIL)])
def test_more_operations_than_the_limit_fail(evidence: Evidence, documents: int, expected: Verdict) -> None:
    limited = replace(evidence, plan=attack_plan())
    sent = [requested("logins", "INVALID_CREDENTIALS", operations=5, quota=Quota.LOGIN) for _ in range(documents)]
    refused = requested("logins", "RATE_LIMITED", operations=5, quota=Quota.LOGIN)
    assert verdict("attackers_are_throttled", replace(limited, attack_requests=[*sent, refused])) is expected


def recorded(evidence: Evidence, request: AttackRequest, *codes: str, address: str = "203.0.113.7") -> Evidence:
    """Return evidence with a request, and with an event and an audit row for each of these codes."""
    places = range(1, len(codes) + 1)
    metadata = {"correlation_id": request.correlation_id}
    rows = {
        "event_store": [{"id": place, "position": place, "metadata": metadata} for place in places],
        "audit_logs": [{"id": place, "event_position": place, "ip_address": address} for place in places],
    }
    events = [
        EventRow(place, code if code.endswith("Event") else "ActionRefusedEvent", "a", "User", {"code": code})
        for place, code in zip(places, codes, strict=True)
    ]
    return replace(with_database(evidence, rows=rows, events=events), attack_requests=[request])


@pytest.mark.parametrize(
    ("request_", "codes"),
    [
        (requested("logins", *["INVALID_CREDENTIALS"] * 3, sent=MUTATION), ["LoginFailedEvent"] * 3),
        (requested("a mutation", "FORBIDDEN", sent=MUTATION), ["FORBIDDEN"]),
        (requested("a query", "FORBIDDEN", sent=QUERY), ["FORBIDDEN"]),
        (requested(DETECTED, "INVALID_REFRESH_TOKEN", sent=MUTATION), ["RefreshTokenReusedEvent"]),
        (requested(OF_OTHERS, sent=QUERY), ["ACCOUNT_NOT_FOUND"]),
        (requested("a burst", "RATE_LIMITED", sent=QUERY), ["RATE_LIMITED"]),
    ],
    ids=lambda value: getattr(value, "step", ""),
)
def test_a_refusal_needs_an_event_for_each_field_with_the_address(
    evidence: Evidence, request_: AttackRequest, codes: list[str]
) -> None:
    assert verdict(RECORDED, recorded(evidence, request_, *codes)) is Verdict.PASS
    assert verdict(RECORDED, recorded(evidence, request_, *codes[1:])) is Verdict.FAIL
    assert verdict(RECORDED, recorded(evidence, request_, *codes, address="203.0.113.8")) is Verdict.FAIL


def test_a_query_with_a_forged_token_needs_no_event(evidence: Evidence) -> None:
    both = (requested("forged", "UNAUTHENTICATED", sent=QUERY), requested("refused", "FORBIDDEN", sent=QUERY))
    changed = recorded(evidence, both[1], "FORBIDDEN")
    assert verdict(RECORDED, replace(changed, attack_requests=both)) is Verdict.PASS


def test_a_look_of_staff_needs_its_event(evidence: Evidence) -> None:
    look = first(evidence, lambda attempt: attempt.operation.kind == "balance" and attempt.outcome == "ok")
    teller = replace(look, operation=replace(look.operation, person=0), correlation_id="look")
    changed = replace(recorded(evidence, requested("look", correlation_id="look"), LOOK), attempts=[teller])
    assert changed.database is not None
    for action, expected in (("READ", Verdict.PASS), ("UPDATE", Verdict.FAIL)):
        audit = {**changed.database.rows["audit_logs"][0], "action": action}
        rows = {**changed.database.rows, "audit_logs": [audit]}
        assert verdict(RECORDED, replace(with_database(changed, rows=rows), attack_requests=[])) is expected


def test_every_place_has_a_canary_of_its_own() -> None:
    [attack] = [attack for attack in attack_plan().attacks if attack.canaries]
    assert [path for path, _ in attack.canaries] == list(CanaryPath)
    assert set(PATHS) == set(CanaryPath)
    assert len({canary for _, canary in attack.canaries}) == len(CanaryPath)


def with_canaries(evidence: Evidence) -> Evidence:
    [attack] = [attack for attack in attack_plan().attacks if attack.canaries]
    secrets = [Secret(f"the canary in the {path}", canary) for path, canary in attack.canaries]
    return replace(evidence, plan=replace(evidence.plan, attacks=(attack,)), secrets=secrets)


def canary_of(evidence: Evidence, path: CanaryPath) -> str:
    return dict(evidence.plan.attacks[0].canaries)[path]


@pytest.mark.parametrize("name", ["the metrics of worker-0", "history.jsonl", "the log of PostgreSQL"])
def test_a_canary_in_a_published_text_fails(evidence: Evidence, name: str) -> None:
    planted = with_canaries(evidence)
    assert verdict(CANARIES, replace(planted, published={"history.jsonl": "{}"})) is Verdict.PASS
    text = f"reason={canary_of(planted, CanaryPath.EMAIL)}"
    is_log = name == "the log of PostgreSQL"
    changed = replace(planted, postgres_log=text) if is_log else replace(planted, published={name: text})
    result = CHECKS[CANARIES].check(changed)
    assert (result.verdict, result.violations) == (Verdict.FAIL, (f"{name} holds the canary in the e-mail address",))


@pytest.mark.parametrize(
    ("sent", "shown", "expected"),
    [
        (CanaryPath.FIELD, CanaryPath.FIELD, Verdict.PASS),
        (CanaryPath.PASSWORD, CanaryPath.PASSWORD, Verdict.FAIL),
        (CanaryPath.FIELD, CanaryPath.EMAIL, Verdict.FAIL),
    ],
)
def test_an_answer_repeats_only_what_its_request_has_sent_and_no_secret(
    evidence: Evidence, sent: CanaryPath, shown: CanaryPath, expected: Verdict
) -> None:
    planted = with_canaries(evidence)
    request = requested("a canary", body=canary_of(planted, shown).encode(), canary=sent)
    assert verdict(CANARIES, replace(planted, attack_requests=[request])) is expected


def test_a_canary_in_the_answer_to_somebody_else_fails(evidence: Evidence) -> None:
    planted = with_canaries(evidence)
    look = first(planted, lambda attempt: attempt.operation.kind == "me")
    changed = with_attempt(planted, look, body=canary_of(planted, CanaryPath.FULL_NAME).encode())
    assert verdict(CANARIES, changed) is Verdict.FAIL


def test_the_search_of_stored_rows_covers_each_canary_but_the_key(evidence: Evidence) -> None:
    planted = with_canaries(evidence)
    texts = personal_texts(planted.plan)
    missing = {path for path, canary in planted.plan.attacks[0].canaries if canary not in texts}
    assert missing == {CanaryPath.IDEMPOTENCY_KEY}


@pytest.mark.parametrize("broken", [{"codes": ("INTERNAL",)}, {"failure": "HTTP 400 without JSON", "status": 400}])
def test_an_answer_to_an_attacker_follows_the_contract(evidence: Evidence, broken: dict[str, Any]) -> None:
    request = replace(requested("a canary"), **broken)
    assert verdict("answers_follow_contract", replace(evidence, attack_requests=[request])) is Verdict.FAIL
    lost = replace(requested("a canary"), failure="TimeoutError", status=None)
    assert verdict("answers_follow_contract", replace(evidence, attack_requests=[lost])) is Verdict.PASS


def test_the_results_of_attacks_count_answers_by_kind_and_leave_out_victims(evidence: Evidence) -> None:
    plan = attack_plan()
    sent = [
        requested("a", "INVALID_REFRESH_TOKEN"),
        requested("b", "RATE_LIMITED"),
        requested("c"),
        requested("d", failure="TimeoutError"),
        RETURNED,
    ]
    results = {result.kind: result for result in attack_results(replace(evidence, plan=plan, attack_requests=sent))}
    assert list(results) == [kind.value for kind in AttackKind]
    assert astuple(results["token_theft"])[2:] == (3, 4, 1, 2, 1, 1)
    assert astuple(results["burst"])[2:] == (1, 0, 0, 0, 0, 0)
