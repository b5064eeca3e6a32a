"""The plan: people, their operations, and the intended starts. A pure function of the seed, the scenario and the sizes.

Nothing here reads a clock, the environment or the hash of a string, so the same seed gives the same plan on every
machine and Python. Each run prints `Plan.hash` to show this.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import cached_property

from simulation.model.attacks import Attack
from simulation.model.faults import PlannedFault
from simulation.model.operations import Operation
from simulation.model.people import Person, Role
from simulation.model.protection import UNLIMITED, Protection
from simulation.model.terms import FREE, Terms


class PlanError(ValueError):
    """An error: no plan can be drawn from these sizes. The message is one sentence that names valid sizes."""


@dataclass(frozen=True, slots=True)
class PlannedAccount:
    """An account that a person will open. With `in_setup`, it is open and funded before the drive begins."""

    index: int
    person: int
    key: str
    in_setup: bool


@dataclass(frozen=True)
class Plan:
    """All people, accounts, operations, faults and attacks of a run. Person 0 is the teller, who is staff.

    The other people are customers. The attackers come last, and `customers` does not count them.
    """

    seed: int
    scenario: str
    customers: int
    duration_s: float
    rate: float
    workers: int
    people: tuple[Person, ...]
    accounts: tuple[PlannedAccount, ...]
    operations: tuple[Operation, ...]
    faults: tuple[PlannedFault, ...] = ()
    terms: Terms = FREE
    overtime_s: float = 0.0
    attacks: tuple[Attack, ...] = ()
    protection: Protection | None = None

    @property
    def setup(self) -> Sequence[Operation]:
        """Return the operations before the drive: registrations, logins, account openings and deposits."""
        return [operation for operation in self.operations if operation.phase == "setup"]

    @property
    def warmup(self) -> Sequence[Operation]:
        """Return the operations before the drive that are rare, or would disturb the measurements of the drive."""
        return [operation for operation in self.operations if operation.phase == "warmup"]

    @property
    def drive(self) -> Sequence[Operation]:
        """Return the operations of the drive, in the order of their intended starts."""
        return [operation for operation in self.operations if operation.phase == "drive"]

    @property
    def overtime(self) -> Sequence[Operation]:
        """Return the operations that continue the drive as long as success criteria are undecided."""
        return [operation for operation in self.operations if operation.phase == "overtime"]

    @property
    def recovery(self) -> Sequence[Operation]:
        """Return the probes after the drive, which continue until the service is back after the last fault."""
        return [operation for operation in self.operations if operation.phase == "recovery"]

    @property
    def bursts(self) -> Mapping[int, Sequence[Operation]]:
        """Return the last postings by burst; the operations of a burst are sent at once."""
        found: dict[int, list[Operation]] = {}
        for operation in self.operations:
            if operation.phase == "idle":
                found.setdefault(operation.at_ns, []).append(operation)
        return found

    @property
    def final_reads(self) -> Sequence[Operation]:
        """Return the reads at the end, when every event is handled and no more money moves."""
        return [operation for operation in self.operations if operation.phase == "final"]

    @property
    def settings(self) -> Mapping[str, str]:
        """Return the settings of the bank for this plan: its fees and its rate limits."""
        protection = UNLIMITED if self.protection is None else self.protection.environment()
        return {**self.terms.environment(), **protection}

    def accounts_of(self, person: int) -> tuple[PlannedAccount, ...]:
        """Return the accounts that a person opens, oldest first."""
        return tuple(account for account in self.accounts if account.person == person)

    def people_with(self, role: Role) -> tuple[Person, ...]:
        """Return the people of one role."""
        return tuple(person for person in self.people if person.role is role)

    @cached_property
    def hash(self) -> str:
        """The SHA-256 of the plan in canonical JSON, in hexadecimal. The names of the people are not part of it."""
        document: dict[str, object] = {
            "sizes": [self.seed, self.scenario, self.customers, f"{self.duration_s:g}", f"{self.rate:g}", self.workers],
            "terms": [self.terms.transfer_fee_minor, self.terms.withdrawal_fee_minor],
            "people": [[p.index, p.role.value, p.email, p.cpf, p.password] for p in self.people],
            "accounts": [[a.index, a.person, a.key, a.in_setup] for a in self.accounts],
            "operations": [_canonical(operation) for operation in self.operations],
        }
        if self.faults:
            document["faults"] = [asdict(fault) for fault in self.faults]
        if self.overtime_s:
            document["overtime"] = f"{self.overtime_s:g}"
        if self.attacks:
            document["attacks"] = [asdict(attack) for attack in self.attacks]
            document["addresses"] = [person.address for person in self.people]
        if self.protection is not None:
            document["protection"] = asdict(self.protection)
        text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(text.encode("ascii")).hexdigest()


def _canonical(o: Operation) -> list[object]:
    return [
        o.index,
        o.phase,
        o.at_ns,
        o.kind.value,
        o.intent.value,
        o.person,
        o.slot,
        o.key,
        o.account,
        o.target,
        o.amount,
        o.currency,
        o.arm,
        o.page_size,
        _index(o.follows),
        o.waits,
        _index(o.after),
        _index(o.about),
        [list(item) for item in o.items],
        o.atomic,
        o.life_ms,
        o.age_ms,
        o.text,
    ]


def _index(operation: Operation | None) -> int | None:
    return None if operation is None else operation.index
