"""Drawing a plan: from a seed and a scenario to people, accounts and operations."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from simulation.model.faults import FaultName
from simulation.model.operations import Intent, Kind, Operation
from simulation.model.people import Person, Role
from simulation.model.plan import Plan, PlanError, PlannedAccount
from simulation.model.scenario import Scenario
from simulation.plan.clicks import clicked
from simulation.plan.final_reads import draw_final_reads
from simulation.plan.mix import TELLER, Drawer
from simulation.plan.people import make_people
from simulation.plan.timetable import draw_bursts, draw_faults, draw_leavers, draw_probes
from simulation.plan.values import decimal, draw_key
from simulation.plan.warmup import draw_warmup

CUSTOMERS = range(4, 2_001)  # two households and two others at least; beyond 2,000 the setup alone takes minutes
DURATION_S = (1.0, 3_600.0)  # an hour of history still fits into memory
RATE = (0.5, 2_000.0)  # beyond this, one client process measures itself
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
    """Draw the plan of a run. Raises PlanError, in one sentence, where the sizes allow none.

    With `faults`, people bank in the same way as without; a schedule of the faults, and probes that see when the
    service is back, come on top. For up to `overtime_s` more people can go on as they did. Without `warm_up` nothing is
    tried before they bank.
    """
    _accept_sizes(seed, customers, duration_s, rate, workers)
    if not 0 <= overtime_s <= longest_overtime_s(duration_s, rate):
        most_s = longest_overtime_s(duration_s, rate)
        raise PlanError(f"the patience must be 0 to {most_s:g} seconds after so long a run, not {overtime_s:g}")
    roles = [Role.TELLER, *_roles(Random(f"{seed} roles"), scenario, customers)]
    people = make_people(Random(f"{seed} people"), roles)
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
        chances = Random(f"{seed} leavers")
        drive += draw_leavers(chances, people, accounts, planned, duration_s=duration_s, workers=workers)
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
    )


def longest_overtime_s(duration_s: float, rate: float) -> float:
    """Return for how much longer than `duration_s` people can be let bank: the whole keeps the bounds of a run."""
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
    # Two are left to pay one another, whatever the scenario would have besides.
    employers = max(0, min(scenario.employers, customers - households - merchants - 2))
    roles = [Role.HOUSEHOLD] * households + [Role.MERCHANT] * merchants + [Role.EMPLOYER] * employers
    roles += [Role.TRADER] * (customers - len(roles))
    random.shuffle(roles)
    return roles


def _setup_accounts(random: Random, people: Sequence[Person]) -> list[PlannedAccount]:
    accounts: list[PlannedAccount] = []
    for person in people:
        few = {Role.TELLER: 0, Role.MERCHANT: 1, Role.EMPLOYER: 1, Role.HOUSEHOLD: random.randint(2, 3)}
        count = few.get(person.role, random.randint(1, 3))
        accounts += [
            PlannedAccount(len(accounts) + i, person.index, draw_key(random), in_setup=True) for i in range(count)
        ]
    return accounts


def _funding(random: Random, scenario: Scenario, role: Role) -> int:
    """Draw what is paid into an account at first.

    One trader in four is poor, so that money runs out now and then without anybody meaning it to; not where everybody
    pays and nobody is paid, for there it would run out for all of them.
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
"""Texts that people write: none, plain words, other letters, and some that could be mistaken for markup."""

PHASES = ("setup", "warmup", "drive", "heal", "overtime", "rest", "final")
"""In their order, but for `heal`, which comes after `overtime`; each draws by itself, so that none changes another."""

DESCRIBED = frozenset({Kind.DEPOSIT, Kind.TRANSFER, Kind.WITHDRAW, Kind.BATCH, Kind.REVERSE, Kind.AUTHORIZE})


def _describe(random: Random, operations: Sequence[Operation]) -> None:
    """Let everything that may have a description have one, or none; what repeats something says the same."""
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
