"""The plan is a pure function of the seed, the scenario and the sizes."""

import itertools
import os
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from random import Random

import pytest
from validate_docbr import CPF

from simulation.model.operations import READ_KINDS, Intent, Kind
from simulation.model.people import Role, punctuated
from simulation.model.plan import Plan, PlanError
from simulation.model.scenario import Scenario
from simulation.plan.draw import draw_plan, longest_overtime_s
from simulation.plan.final_reads import FINAL_READS_MAX, draw_final_reads
from simulation.scenarios import SCENARIOS

SHAPE = Scenario(
    name="everything",
    summary="Everything equally often, for a plan that tuning a real scenario does not change.",
    mix=dict.fromkeys(
        [
            "me", "balance", "history", "next_page", "transfer", "overdraft", "wrong", "not_mine", "retry", "conflict",
            "deposit", "open_account", "refresh", "relogin", "respelled", "aliases", "other_mutation", "other_caller",
            "wrong_key", "corrected", "unauthorised", "refreshed", "refused_then_funded", "burst", "payment",
            "salaries", "withdrawal", "purchase", "household_purchase", "spend_held_money", "refund", "freeze", "limit",
            "close", "statement", "holds", "replay",
        ],
        1.0,
    ),
    people=12,
    duration_s=20,
    rate=50,
    workers=2,
    expects=frozenset(),
    criteria=frozenset(),
    employers=1,
)  # fmt: skip

HASH_OF_SEED_7 = "ea09367cff8de17868d66a357726ec1e71259a78c8c3bcc753ab52f8dfa0bcc6"
"""The expected hash. It detects a new version of Python or of a library that changes the plan of a seed."""


def plan(scenario: str = "first_day", *, seed: int = 7, customers: int = 12, duration_s: float = 20) -> Plan:
    shape = SCENARIOS[scenario]
    sizes = {"customers": customers, "duration_s": duration_s, "rate": 50, "workers": 2}
    return draw_plan(seed=seed, scenario=shape, **sizes, warm_up=False)  # type: ignore[arg-type]  # each by its name


def test_the_same_seed_gives_the_same_plan() -> None:
    assert plan() == plan()
    assert plan().hash == plan().hash


def test_another_seed_gives_another_plan() -> None:
    assert plan(seed=7).hash != plan(seed=8).hash


def plan_of_everything() -> Plan:
    return draw_plan(seed=7, scenario=SHAPE, customers=12, duration_s=20, rate=50, workers=2)


def test_the_plan_of_a_seed_never_changes() -> None:
    assert plan_of_everything().hash == HASH_OF_SEED_7


def test_the_plan_does_not_depend_on_the_hash_seed_of_the_process() -> None:
    program = (
        "from simulation.scenarios import SCENARIOS\n"
        "from simulation.plan.draw import draw_plan\n"
        "day = SCENARIOS['first_day']\n"
        "print(draw_plan(seed=7, scenario=day, customers=12, duration_s=20, rate=50, workers=2, warm_up=False).hash)"
    )
    hashes = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            check=True,
            capture_output=True,
            text=True,
        ).stdout.strip()
        for seed in ("1", "2")
    }
    assert hashes == {plan().hash}


@pytest.mark.parametrize("change", ["scenario", "customers", "duration_s"])
def test_every_size_is_part_of_the_hash(change: str) -> None:
    changed = {
        "scenario": lambda: plan("hot_account"),
        "customers": lambda: plan(customers=13),
        "duration_s": lambda: plan(duration_s=21),
    }[change]()
    assert changed.hash != plan().hash


def test_every_cpf_is_valid_and_unique() -> None:
    people = plan(customers=300).people
    assert all(CPF().validate(punctuated(person.cpf)) for person in people)
    assert len({person.cpf for person in people}) == len(people)
    assert len({person.email for person in people}) == len(people)


def test_a_printed_person_shows_no_secret() -> None:
    person = plan().people[1]
    assert person.password not in repr(person)
    assert person.cpf not in repr(person)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_no_money_enters_or_leaves_a_household_during_the_drive(scenario: str) -> None:
    drawn = plan(scenario, duration_s=60)
    households = {person.index for person in drawn.people_with(Role.HOUSEHOLD)}
    mine = {account.index: account.person for account in drawn.accounts}
    kinds = {Kind.DEPOSIT, Kind.TRANSFER, Kind.WITHDRAW, Kind.BATCH, Kind.AUTHORIZE}
    moves = [o for o in drawn.drive if o.kind in kinds and o.intent is not Intent.NOT_MINE]
    inside = 0
    for operation in moves:
        accounts = (operation.account, operation.target, *(target for target, _ in operation.items))
        ends = {mine[account] for account in accounts if account is not None}
        if ends & households:
            assert ends == {operation.person}
            inside += 1
    assert inside > 0


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_operations_are_numbered_in_the_order_of_their_intended_start(scenario: str) -> None:
    operations = plan(scenario).operations
    assert [o.index for o in operations] == list(range(len(operations)))
    assert all(a.at_ns <= b.at_ns for a, b in itertools.pairwise(plan(scenario).drive))


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_a_repetition_is_later_than_the_first_request_and_has_its_key(scenario: str) -> None:
    drawn = plan(scenario)
    followers = [o for o in drawn.operations if o.follows is not None]
    assert followers
    for operation in followers:
        first = operation.follows
        assert first is not None
        assert first.index < operation.index
        assert first.key == operation.key
        if operation.intent in {Intent.REPLAY, Intent.DUPLICATE}:
            assert (first.amount, first.account, first.target) == (
                operation.amount,
                operation.account,
                operation.target,
            )
        if operation.intent is Intent.CONFLICT:
            same = ("amount", "target", "account", "text", "items", "atomic", "life_ms", "about")
            assert [name for name in same if getattr(first, name) != getattr(operation, name)]


def test_the_warm_up_is_the_same_in_every_run_and_uses_no_household() -> None:
    warmed = plan_of_everything()
    drawn, others = (
        warmed.warmup,
        draw_plan(seed=8, scenario=SCENARIOS["hot_account"], customers=4, duration_s=20, rate=50, workers=1).warmup,
    )
    assert [(o.kind, o.intent, o.at_ns) for o in drawn] == [(o.kind, o.intent, o.at_ns) for o in others]
    households = {person.index for person in warmed.people_with(Role.HOUSEHOLD)}
    assert not households & {operation.person for operation in drawn}
    changed = [o for o in drawn if o.intent is Intent.CONFLICT]
    same = ("amount", "target", "account", "text", "items", "atomic", "life_ms", "about")
    for operation in changed:
        first = operation.follows
        assert first is not None
        assert (first.key, first.kind) == (operation.key, operation.kind)
        assert len([name for name in same if getattr(first, name) != getattr(operation, name)]) == 1


def test_most_operations_of_the_first_day_are_reads() -> None:
    drive = plan(duration_s=120).drive
    reads = sum(o.kind in READ_KINDS and o.intent is not Intent.NOT_MINE for o in drive)
    assert 0.7 < reads / len(drive) < 0.97


def test_reads_are_assigned_to_the_arms_at_random_with_the_given_share() -> None:
    arms = Counter(o.arm for o in plan(duration_s=120).drive if o.arm)
    assert 0.5 <= round(arms["cached"] / arms.total(), 1) <= 0.8


def test_arrivals_have_the_requested_rate() -> None:
    drive = [o for o in plan(duration_s=120).drive if o.kind not in {Kind.LOGOUT, Kind.LOGIN}]
    assert 0.9 < len(drive) / (120 * 50) < 1.1


@pytest.mark.parametrize("kind", [Kind.DEPOSIT, Kind.TRANSFER, Kind.OPEN_ACCOUNT])
def test_double_click_sends_every_keyed_mutation_three_times_and_not_all_to_one_worker(kind: Kind) -> None:
    clicked = [
        o for o in plan("double_click", duration_s=60).operations if o.kind is kind and o.intent is not Intent.CONFLICT
    ]
    by_key = {
        key: list(group)
        for key, group in itertools.groupby(sorted(clicked, key=lambda o: o.key or ""), lambda o: o.key)
    }
    assert by_key
    for group in by_key.values():
        first, second, third = sorted(group, key=lambda o: o.index)
        assert (second.intent, third.intent) == (Intent.DUPLICATE, Intent.REPLAY)
        assert first.at_ns == second.at_ns <= third.at_ns
        assert first.slot % 2 != second.slot % 2


def test_hot_account_pays_one_account_only() -> None:
    drawn = plan("hot_account")
    households = {person.index for person in drawn.people_with(Role.HOUSEHOLD)}
    paid = {o.target for o in drawn.drive if o.kind is Kind.TRANSFER and o.person not in households}
    assert len(paid) == 1


def test_a_few_people_are_much_more_popular_than_the_others() -> None:
    readers = Counter(o.person for o in plan(customers=60, duration_s=120).drive if o.kind in READ_KINDS)
    shares = [count for _, count in readers.most_common()]
    assert sum(shares[:6]) > 2 * sum(shares[-30:])


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ({"customers": 3}, "there must be 4 to 2000 people, not 3"),
        ({"duration_s": 0.0}, "the duration must be 1 to 3600 seconds, not 0"),
        ({"duration_s": float("nan")}, "the duration must be 1 to 3600 seconds, not nan"),
        ({"rate": -1.0}, "the rate must be 0.5 to 2000 operations a second, not -1"),
        ({"workers": 0}, "there must be 1 to 16 workers, not 0"),
        ({"seed": -1}, "the seed must be a whole number from 0 to"),
        ({"duration_s": 3600.0, "rate": 2000.0}, "do not fit into memory"),
    ],
)
def test_impossible_sizes_are_refused_with_one_sentence(sizes: dict[str, float], sentence: str) -> None:
    right: dict[str, float] = {"seed": 1, "customers": 4, "duration_s": 1.0, "rate": 1.0, "workers": 1}
    with pytest.raises(PlanError, match=sentence):
        draw_plan(scenario=SCENARIOS["first_day"], **{**right, **sizes})  # type: ignore[arg-type]  # a table of wrong values


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_the_smallest_run_can_be_planned(scenario: str) -> None:
    for seed in range(5):
        smallest = draw_plan(seed=seed, scenario=SCENARIOS[scenario], customers=4, duration_s=5, rate=100, workers=1)
        assert smallest.drive


def drawn(overtime_s: float, seed: int = 7) -> Plan:
    day = SCENARIOS["first_day"]
    return draw_plan(seed=seed, scenario=day, customers=12, duration_s=5, rate=50, workers=1, overtime_s=overtime_s)


def test_an_extension_of_a_run_does_not_change_the_planned_time() -> None:
    planned, longer = drawn(0), drawn(10)
    assert [replace(o, index=0) for o in longer.drive] == [replace(o, index=0) for o in planned.drive]
    assert longer.hash != planned.hash
    assert not planned.overtime


def test_an_extension_of_a_run_has_the_same_kinds_of_operations() -> None:
    longer = drawn(60)
    assert min(o.at_ns for o in longer.overtime) >= 5e9
    assert len(longer.overtime) == pytest.approx(60 * 50, rel=0.15)
    assert {o.kind for o in longer.drive} <= {o.kind for o in longer.overtime}


@pytest.mark.parametrize("seed", range(5))
def test_operations_of_an_extension_do_not_wait_for_later_ones(seed: int) -> None:
    # A run may end before the operations that come later.
    assert all(needed.index < o.index for o in drawn(30, seed).overtime for needed in o.awaited)


@pytest.mark.parametrize("overtime_s", [-1, 3_600])
def test_the_extension_of_a_run_is_limited(overtime_s: float) -> None:
    with pytest.raises(PlanError, match=r"the overtime must be 0 to 3595 seconds after so long a run"):
        drawn(overtime_s)


def test_the_longest_run_has_no_extension() -> None:
    assert longest_overtime_s(3_600, 10) == 0
    assert longest_overtime_s(100, 2_000) == 150


def test_each_person_reads_through_every_worker_at_the_end() -> None:
    plan = plan_of_everything()
    customers = [person.index for person in plan.people if person.role is not Role.TELLER]
    looks = [(o.person, o.slot) for o in plan.final_reads]
    assert sorted(looks) == [(person, worker) for person in customers for worker in range(plan.workers)]
    assert {(o.kind, o.arm) for o in plan.final_reads} == {(Kind.ME, "cached")}


def test_a_very_large_run_has_two_thousand_reads_at_the_end() -> None:
    people = plan_of_everything().people * 500
    looks = draw_final_reads(Random(1), people, workers=16)
    assert len(looks) == FINAL_READS_MAX == 2_000
    assert len({o.slot for o in looks}) == 16
