"""The generator of the schedule of faults, and of the probes that show when the service is back. Pure functions."""

from collections.abc import Sequence
from dataclasses import replace
from random import Random

from simulation.model.faults import FAULTS, RECOVERY_MAX_S, FaultName, PlannedFault
from simulation.model.operations import Intent, Kind, Operation
from simulation.model.people import Person, Role
from simulation.model.plan import PlanError, PlannedAccount
from simulation.model.terms import Terms
from simulation.plan.mix import TELLER
from simulation.plan.values import draw_key

FIRST_FAULT_S = 1.0
"""The time without faults at the start of the drive, so requests are in progress at the first fault."""

RECOVERY_PLANNED_S = 4.0
"""The planned time for the recovery from a fault before the next one. A longer recovery delays the next fault."""

PROBES_PER_S = 32
"""The bound of probe operations per second, so the probes are a small part of the load."""

PROBE_EVERY_NS = 250_000_000
"""The time between two probes of each worker: shorter than an outage that a person would notice."""


BURSTS = 5
BURST_SIZE = 6
"""Number of bursts of last postings, and of postings in each. The first burst is enough in nine of ten runs."""

LOGOUT_EVERY_NS = 500_000_000
"""The time between logouts in runs with faults of the cache: a few in each fault, because a login takes 45 ms."""


def needed_s(names: Sequence[FaultName]) -> float:
    """Return the duration of the drive that is needed for each of these faults to happen once."""
    timed = [FAULTS[name] for name in names if not FAULTS[name].when_idle]
    return FIRST_FAULT_S + sum(fault.lasts_s[1] + RECOVERY_PLANNED_S for fault in timed) if timed else 0.0


def draw_faults(random: Random, names: Sequence[FaultName], *, duration_s: float, workers: int) -> list[PlannedFault]:
    """Draw the schedule: rounds of all faults in random order, as many as fit. Raises PlanError if no round fits.

    Faults of the idle bank come last. Faults do not overlap: each has ended, with time for the recovery, before the
    next begins.
    """
    if names and duration_s < needed_s(names):
        raise PlanError(
            f"{len(names)} fault{'s' if len(names) > 1 else ''} with time to recover need at least "
            f"{needed_s(names):g} seconds, not {duration_s:g}"
        )
    planned: list[PlannedFault] = []
    at_s, rounds = FIRST_FAULT_S, 0
    ordered = [name for name in FAULTS if name in names and not FAULTS[name].when_idle]  # not in the order of `names`
    while ordered and duration_s >= at_s + needed_s(names) - FIRST_FAULT_S:
        for name in random.sample(ordered, len(ordered)):
            fault = _draw_fault(random, name, at_s, workers, is_first=rounds == 0)
            planned.append(fault)
            at_s = (fault.at_ms + fault.lasts_ms) / 1000 + RECOVERY_PLANNED_S
        rounds += 1
    when_idle = [name for name in FAULTS if name in names and FAULTS[name].when_idle]
    return planned + [PlannedFault(name, round(duration_s * 1000), 0) for name in when_idle]


def _draw_fault(random: Random, name: FaultName, at_s: float, workers: int, *, is_first: bool) -> PlannedFault:
    shortest, longest = FAULTS[name].lasts_s
    lasts_ms = random.randint(round(shortest * 1000), round(longest * 1000))
    worker = percent = replies = delay_ms = None
    match name:
        case FaultName.WORKER_KILL | FaultName.LISTENERS_DISCONNECTED | FaultName.REDIS_UNREACHABLE:
            worker = None if is_first else random.randrange(workers)
        case FaultName.WORKER_STOPPED:
            worker = random.randrange(workers)
        case FaultName.CONNECTIONS_CUT:
            percent = random.choice((30, 60, 100))
        case FaultName.COMMIT_REPLY_CUT:
            replies = random.randint(6, 12)
        case FaultName.DATABASE_SLOW:
            delay_ms = random.randint(40, 120)
    return PlannedFault(name, round(at_s * 1000), lasts_ms, worker, percent, replies, delay_ms)


def draw_probes(
    random: Random,
    people: Sequence[Person],
    accounts: Sequence[PlannedAccount],
    *,
    duration_s: float,
    workers: int,
    terms: Terms,
) -> list[Operation]:
    """Draw the probes: repeatedly for each worker, a read that bypasses the cache and a transfer of one cent.

    Households execute them. If the bank charges a fee for transfers, which would change the sums of households, staff
    deposit one cent for others instead. The answers show when a worker serves again. The probes of the phase `recovery`
    follow the drive until every worker does.
    """
    homes = {person.index: [a.index for a in accounts if a.person == person.index] for person in people}
    households = [person.index for person in people if person.role is Role.HOUSEHOLD]
    others = _payees(people, accounts)
    every_ns = max(PROBE_EVERY_NS, round(2 * workers * 1e9 / PROBES_PER_S))
    operations: list[Operation] = []
    for phase, end_s in (("drive", duration_s), ("recovery", RECOVERY_MAX_S)):
        for at_ns in range(0, round(end_s * 1e9), every_ns):
            for worker in range(workers):
                # The probes of a round are spread over half of its time, so the workers are not probed all at once.
                moment_ns = at_ns + worker * every_ns // (2 * workers)
                person = random.choice(households)
                read = Operation(phase, moment_ns, Kind.BALANCE, Intent.PLAIN, person, slot=worker, arm="uncached")
                move = Operation(
                    phase, moment_ns, Kind.TRANSFER, Intent.PLAIN, person, slot=worker, key=draw_key(random)
                )
                move.account, move.target = random.sample(homes[person], 2)
                read.account, move.amount = move.account, "0.01"
                if terms.transfer_fee_minor:
                    move.kind, move.person = Kind.DEPOSIT, TELLER
                    move.account, move.target = random.choice(others), None
                operations += [read, move]
    return operations


def _payees(people: Sequence[Person], accounts: Sequence[PlannedAccount]) -> list[int]:
    """Return accounts for deposits: those of employers, which are never frozen, or of traders in the smallest runs."""
    of_role = {role: [a.index for a in accounts if people[a.person].role is role] for role in Role}
    return of_role[Role.EMPLOYER] or of_role[Role.TRADER]


def draw_bursts(
    random: Random,
    people: Sequence[Person],
    accounts: Sequence[PlannedAccount],
    faults: Sequence[PlannedFault],
    *,
    workers: int,
) -> list[Operation]:
    """Draw the bursts of last postings, which are deposits, for runs with faults of the idle bank.

    `at_ns` is the number of the burst.
    """
    if not any(FAULTS[fault.name].when_idle for fault in faults):
        return []
    operations: list[Operation] = []
    for number in range(BURSTS * BURST_SIZE):
        slot = number % workers
        operation = Operation(
            "idle", number // BURST_SIZE, Kind.DEPOSIT, Intent.PLAIN, TELLER, slot, key=draw_key(random), amount="0.01"
        )
        operation.account = random.choice(_payees(people, accounts))
        operations.append(operation)
    return operations


def draw_logouts(
    random: Random,
    people: Sequence[Person],
    accounts: Sequence[PlannedAccount],
    faults: Sequence[PlannedFault],
    *,
    duration_s: float,
    workers: int,
) -> list[Operation]:
    """Draw logouts, each followed by requests with the closed token to every worker, all of which cached the session.

    They are drawn for runs with faults that separate a worker from Redis. Households do not log out, because they
    execute the probes.
    """
    if not any(FAULTS[fault.name].by_redis_proxy for fault in faults):
        return []
    homes = {person.index: [a.index for a in accounts if a.person == person.index] for person in people}
    logouts = [p.index for p in people if p.role not in {Role.HOUSEHOLD, Role.TELLER} and homes[p.index]]
    operations: list[Operation] = []
    for number, at_ns in enumerate(range(0, round(duration_s * 1e9), LOGOUT_EVERY_NS)):
        person = random.choice(logouts)
        others = [account.index for account in accounts if account.person not in {person, TELLER}]
        known: Operation | None = None
        for slot in range(workers):
            known = Operation("drive", at_ns, Kind.ME, Intent.PLAIN, person, slot, after=known)
            operations.append(known)
        left = Operation("drive", at_ns, Kind.LOGOUT, Intent.PLAIN, person, number % workers, after=known)
        operations.append(left)
        for slot in range(workers):
            tried = Operation("drive", at_ns, Kind.ME, Intent.CLOSED_TOKEN, person, slot, after=left)
            paid = replace(tried, kind=Kind.TRANSFER, key=draw_key(random), amount="1.00")
            paid.account, paid.target = homes[person][0], random.choice(others)
            operations += [tried, paid]
        operations.append(
            Operation("drive", at_ns + LOGOUT_EVERY_NS // 4, Kind.LOGIN, Intent.PLAIN, person, number, after=left)
        )
    return operations
