"""The generator of a plan, which draws people, accounts and operations from a seed and a scenario."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from simulation.model.faults import FaultName
from simulation.model.operations import Intent, Kind, Operation
from simulation.model.people import Person, Role
from simulation.model.plan import Plan, PlanError, PlannedAccount
from simulation.model.scenario import Scenario
from simulation.plan.attacks import draw_attacks
from simulation.plan.clicks import clicked
from simulation.plan.final_reads import draw_final_reads
from simulation.plan.mix import TELLER, Drawer
from simulation.plan.people import make_people
from simulation.plan.timetable import draw_bursts, draw_faults, draw_logouts, draw_probes
from simulation.plan.values import decimal, draw_key
from simulation.plan.warmup.draw import draw_warmup

CUSTOMERS = range(4, 2_001)  # at least two households and two others; above 2,000, the setup takes minutes
DURATION_S = (1.0, 3_600.0)  # the history of an hour fits into memory
RATE = (0.5, 2_000.0)  # above this, the single client process is the bottleneck
WORKERS = range(1, 17)
OPERATIONS_MAX = 500_000  # about 1 GB of history in memory
SEED = range(2**63)


def draw_plan(
    *,
    seed: int,
    scenario: Scenario,
    customers: int,
    duration_s: float,
    rate: float,
    workers: int,
    faults: Sequence[FaultName] = (),
    overtime_s: float = 0.0,
    warm_up: bool = True,
) -> Plan:
    """Draw the plan of a run. Raises PlanError if the sizes are invalid.

    With `faults`, the operations of people are the same as without; the schedule of the faults, and probes that show
    when the service is back, are additional. The overtime can continue the drive for `overtime_s`. Without `warm_up`,
    there are no operations between setup and drive.
    """
    _accept_sizes(seed, customers, duration_s, rate, workers)
    if not 0 <= overtime_s <= longest_overtime_s(duration_s, rate):
        most_s = longest_overtime_s(duration_s, rate)
        raise PlanError(f"the overtime must be 0 to {most_s:g} seconds after so long a run, not {overtime_s:g}")
    roles = [Role.TELLER, *_roles(Random(f"{seed} roles"), scenario, customers)]
    roles += [Role.ATTACKER] * scenario.attackers
    people = make_people(Random(f"{seed} people"), roles, own_addresses=scenario.protection is not None)
    accounts = _setup_accounts(Random(f"{seed} accounts"), people)
    drawer = Drawer(Random(f"{seed} drive"), scenario, people, accounts)
    setup = _setup_operations(Random(f"{seed} setup"), scenario, people, accounts)
    drive = drawer.draw(duration_ns=round(duration_s * 1e9), rate=rate)
    warmup = draw_warmup(Random(f"{seed} warmup"), drawer, people) if warm_up else []
    overtime = drawer.draw(duration_ns=round(overtime_s * 1e9), rate=rate, from_ns=round(duration_s * 1e9))
    for operation in overtime:
        operation.phase = "overtime"
    drive += overtime
    planned = draw_faults(Random(f"{seed} faults"), faults, duration_s=duration_s, workers=workers)
    if planned:
        chances, terms = Random(f"{seed} probes"), scenario.terms
        drive += draw_probes(chances, people, accounts, duration_s=duration_s, workers=workers, terms=terms)
        drive += draw_bursts(Random(f"{seed} bursts"), people, accounts, planned, workers=workers)
        chances = Random(f"{seed} logouts")
        drive += draw_logouts(chances, people, accounts, planned, duration_s=duration_s, workers=workers)
    drive += draw_final_reads(Random(f"{seed} final reads"), people, workers=workers)
    return Plan(
        seed=seed,
        scenario=scenario.name,
        customers=customers,
        duration_s=duration_s,
        rate=rate,
        workers=workers,
        people=people,
        accounts=tuple(drawer.accounts),
        operations=_numbered(seed, setup, [*warmup, *drive]),
        faults=tuple(planned),
        terms=scenario.terms,
        overtime_s=overtime_s,
        attacks=draw_attacks(Random(f"{seed} attacks"), people, duration_s=duration_s),
        protection=scenario.protection,
    )


def longest_overtime_s(duration_s: float, rate: float) -> float:
    """Return the longest overtime after `duration_s` with which the run is within its bounds."""
    return max(0.0, min(DURATION_S[1], OPERATIONS_MAX / rate) - duration_s) if rate > 0 else 0.0


def _accept_sizes(seed: int, customers: int, duration_s: float, rate: float, workers: int) -> None:
    if seed not in SEED:
        raise PlanError(f"the seed must be a whole number from 0 to {SEED.stop - 1}, not {seed}")
    if customers not in CUSTOMERS:
        raise PlanError(f"there must be {CUSTOMERS.start} to {CUSTOMERS.stop - 1} people, not {customers}")
    if not DURATION_S[0] <= duration_s <= DURATION_S[1]:
        raise PlanError(f"the duration must be {DURATION_S[0]:g} to {DURATION_S[1]:g} seconds, not {duration_s:g}")
    if not RATE[0] <= rate <= RATE[1]:
        raise PlanError(f"the rate must be {RATE[0]:g} to {RATE[1]:g} operations a second, not {rate:g}")
    if workers not in WORKERS:
        raise PlanError(f"there must be {WORKERS.start} to {WORKERS.stop - 1} workers, not {workers}")
    if duration_s * rate > OPERATIONS_MAX:
        raise PlanError(
            f"{duration_s:g} s at {rate:g} a second are more than {OPERATIONS_MAX} operations, which do not fit into "
            "memory with their history"
        )


def _roles(random: Random, scenario: Scenario, customers: int) -> list[Role]:
    households = max(2, round(customers * scenario.household_share))
    merchants = 1 if scenario.one_merchant else 0
    # At least two traders are left who can pay each other, independent of the scenario.
    employers = max(0, min(scenario.employers, customers - households - merchants - 2))
    roles = [Role.HOUSEHOLD] * households + [Role.MERCHANT] * merchants + [Role.EMPLOYER] * employers
    roles += [Role.TRADER] * (customers - len(roles))
    random.shuffle(roles)
    return roles


def _setup_accounts(random: Random, people: Sequence[Person]) -> list[PlannedAccount]:
    accounts: list[PlannedAccount] = []
    for person in people:
        few = {Role.TELLER: 0, Role.MERCHANT: 1, Role.EMPLOYER: 1, Role.HOUSEHOLD: random.randint(2, 3)}
        few[Role.ATTACKER] = 1
        count = few.get(person.role, random.randint(1, 3))
        accounts += [
            PlannedAccount(len(accounts) + i, person.index, draw_key(random), in_setup=True) for i in range(count)
        ]
    return accounts


def _funding(random: Random, scenario: Scenario, role: Role) -> int:
    """Draw the amount of the first deposit of an account.

    One trader in four is poor, so some payments exceed the balance without intent. This is not so with one merchant,
    because there traders only pay, so all of them would run out of money.
    """
    if role is Role.EMPLOYER:
        return random.randint(30_000_000, 60_000_000)
    if role is Role.TRADER and scenario.one_merchant:
        return random.randint(300_000, 1_500_000)
    if role is Role.TRADER and random.randrange(4) == 0:
        return random.randint(500, 3_000)
    return random.randint(20_000, 300_000)


def _setup_operations(
    random: Random, scenario: Scenario, people: Sequence[Person], accounts: Sequence[PlannedAccount]
) -> list[Operation]:
    operations = [Operation("setup", 0, Kind.LOGIN, Intent.PLAIN, TELLER, 0)]
    for person in people[1:]:
        slot = random.randrange(1_000)
        chain = [Operation("setup", 0, kind, Intent.PLAIN, person.index, slot) for kind in (Kind.REGISTER, Kind.LOGIN)]
        mine = [account for account in accounts if account.person == person.index]
        chain += [replace(chain[0], kind=Kind.OPEN_ACCOUNT, key=account.key, account=account.index) for account in mine]
        for account in mine:
            amount = decimal(_funding(random, scenario, person.role))
            deposit = Operation(
                "setup", 0, Kind.DEPOSIT, Intent.PLAIN, TELLER, slot, key=draw_key(random), amount=amount
            )
            chain.append(replace(deposit, account=account.index))
        for operation in chain:
            operations += clicked(random, scenario, operation)
    return operations


TEXTS = (
    None,
    None,
    "rent",
    "aluguel de março",
    "for the tickets, thank you!",
    "café & pão",
    "a/c 0001 \"x\" 'y' <z>",
)
"""Descriptions of people: none, plain words, other letters, and a text with characters of markup."""

PHASES = ("setup", "warmup", "drive", "recovery", "overtime", "idle", "final")
"""The phases, in order except for `recovery`, which follows `overtime`. The texts of each phase have a separate
generator, so a change of one phase does not change the others."""

DESCRIBED = frozenset({Kind.DEPOSIT, Kind.TRANSFER, Kind.WITHDRAW, Kind.BATCH, Kind.REVERSE, Kind.AUTHORIZE})


def _describe(random: Random, operations: Sequence[Operation]) -> None:
    """Set a description, or none, for each operation that can have one. A repetition has that of its original."""
    for operation in operations:
        if operation.text is None and operation.follows is None and operation.kind in DESCRIBED:
            operation.text = random.choice(TEXTS)
    for operation in operations:
        if operation.text is None and operation.follows is not None and operation.kind in DESCRIBED:
            operation.text = operation.follows.text


def _numbered(seed: int, setup: Sequence[Operation], drive: Sequence[Operation]) -> tuple[Operation, ...]:
    operations = [*setup, *sorted(drive, key=lambda operation: (operation.phase, operation.at_ns))]
    for phase in PHASES:
        _describe(Random(f"{seed} texts {phase}"), [operation for operation in operations if operation.phase == phase])
    for index, operation in enumerate(operations):
        operation.index = index
    return tuple(operations)
