"""The evidence of a run for the checks, with the values that several checks derive from it."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from simulation.judge.database_state import DatabaseState, LedgerSnapshot
from simulation.judge.effects import Oracle, RequestKey
from simulation.judge.oracle import resolve
from simulation.judge.possible_holds import PossibleHolds
from simulation.judge.possible_states import PossibleStates
from simulation.judge.request_times import RequestTimes
from simulation.judge.timeline import Timelines
from simulation.model.answers import OpenedAccount
from simulation.model.attacks import AttackRequest
from simulation.model.attempts import Attempt
from simulation.model.faults import FaultRun
from simulation.model.operations import KEYED_KINDS, Operation
from simulation.model.people import Person
from simulation.model.plan import Plan
from simulation.stack.bank_check import BankCheck


@dataclass(frozen=True, slots=True, repr=False)
class Secret:
    """A text that no log line may contain. `label` describes it without the text itself."""

    label: str
    text: str


@dataclass(frozen=True)
class Evidence:
    """The evidence of a run. `database` is None if the database could not be read at the end.

    `epoch_ns` is the Unix epoch on the clock of the attempts, for the conversion of the bank's own times. `published`
    has the texts that others may read, by name: the metrics of each worker, and the history of the run.
    """

    plan: Plan
    attempts: Sequence[Attempt]
    database: DatabaseState | None
    snapshots: Sequence[LedgerSnapshot] = ()
    logs: Sequence[Path] = ()
    secrets: Sequence[Secret] = ()
    postgres_log: str | None = None
    drained: bool = True
    bank_check: BankCheck | None = None
    opened: Mapping[int, OpenedAccount] = field(default_factory=dict)
    faults: Sequence[FaultRun] = ()
    epoch_ns: int = 0
    attack_requests: Sequence[AttackRequest] = ()
    published: Mapping[str, str] = field(default_factory=dict)

    def origin(self, operation: Operation) -> Operation:
        """Return the operation that this one repeats, or itself."""
        return operation.follows or operation

    @cached_property
    def by_key(self) -> Mapping[RequestKey, Sequence[Attempt]]:
        """All attempts with an idempotency key, by person and key, in the order of sending."""
        found: dict[RequestKey, list[Attempt]] = defaultdict(list)
        for attempt in self.attempts:
            if attempt.operation.kind in KEYED_KINDS and attempt.operation.key is not None:
                found[(attempt.operation.person, attempt.operation.key)].append(attempt)
        return found

    @cached_property
    def user_ids(self) -> Mapping[int, str]:
        """The id of each person in the database, by the person's number in the plan."""
        if self.database is None:
            return {}
        by_email = {user.email: user.id for user in self.database.users}
        return {person.index: by_email[person.email] for person in self.plan.people if person.email in by_email}

    @cached_property
    def people_by_account(self) -> Mapping[str, Person]:
        """The owner of each account whose opening was acknowledged, by the id of the account."""
        return {
            account.account_id: self.plan.people[self.plan.accounts[index].person]
            for index, account in self.opened.items()
        }

    @cached_property
    def ids_by_number(self) -> Mapping[str, str]:
        """The ids of the accounts that the bank has opened, by the number of the account."""
        return {account.number: account.account_id for account in self.opened.values()}

    @cached_property
    def oracle(self) -> Oracle:
        """The expected books."""
        return resolve(
            self.by_key,
            database=self.database,
            user_ids=self.user_ids,
            ids_by_number=self.ids_by_number,
            terms=self.plan.terms,
        )

    @cached_property
    def request_times(self) -> RequestTimes:
        """The times of requests and acknowledgements, by key."""
        return RequestTimes(self.by_key, self.epoch_ns)

    @cached_property
    def possible_holds(self) -> PossibleHolds:
        """The holds that were possible between a request and its response."""
        return PossibleHolds(self.attempts, self.request_times, self.oracle, self.database)

    @cached_property
    def possible_states(self) -> PossibleStates:
        """The states that were possible between a request and its response."""
        return PossibleStates(
            self.attempts,
            self.request_times,
            oracle=self.oracle,
            holds=self.possible_holds,
            timelines=self.timelines,
        )

    @cached_property
    def timelines(self) -> Timelines | None:
        """The versions of every account with the times of their visibility; None without the state of the database."""
        return None if self.database is None else Timelines(self.database, self.by_key, self.user_ids)
