"""The faults that exist, planned faults, and their results."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class FaultName(StrEnum):
    """The faults, by name."""

    WORKER_KILL = "worker_kill"
    DATABASE_KILL = "database_kill"
    CONNECTIONS_CUT = "connections_cut"
    COMMIT_REPLY_CUT = "commit_reply_cut"
    POOL_EXHAUSTED = "pool_exhausted"
    DATABASE_SLOW = "database_slow"
    DATABASE_UNRESPONSIVE = "database_unresponsive"
    LISTENERS_DISCONNECTED = "listeners_disconnected"
    REDIS_ROLLED_BACK = "redis_rolled_back"
    REDIS_UNREACHABLE = "redis_unreachable"
    WORKER_STOPPED = "worker_stopped"
    DATABASE_KILL_WHEN_IDLE = "database_kill_when_idle"


@dataclass(frozen=True, slots=True)
class FaultKind:
    """One kind of fault: its title, its explanation, its shortest and longest duration in seconds, and its conditions.

    `by_proxy`: the bank must reach PostgreSQL through a proxy. `by_redis_proxy`: each worker must reach Redis through a
    proxy. `own_database`: the run must own the process of PostgreSQL, to kill it. `own_redis`: the run must own Redis,
    to empty it. `when_idle`: the fault happens after the last request of the people.
    `seen_as` names the number that shows that the fault really happened.
    """

    title: str
    explanation: str
    seen_as: str
    lasts_s: tuple[float, float]
    by_proxy: bool = False
    by_redis_proxy: bool = False
    own_database: bool = False
    own_redis: bool = False
    when_idle: bool = False


FAULTS: Mapping[FaultName, FaultKind] = MappingProxyType(
    {
        FaultName.WORKER_KILL: FaultKind(
            title="A worker of the bank is killed",
            explanation="SIGKILL to one worker, the first time to the worker that serves the subscribers; a supervisor "
            "starts it again.",
            seen_as="workers killed and started again",
            lasts_s=(0.0, 0.0),
        ),
        FaultName.DATABASE_KILL: FaultKind(
            title="PostgreSQL is killed",
            explanation="SIGKILL to PostgreSQL; a moment later it is started again and recovers.",
            seen_as="times killed and started again",
            lasts_s=(0.2, 1.5),
            own_database=True,
        ),
        FaultName.CONNECTIONS_CUT: FaultKind(
            title="Connections to PostgreSQL are cut",
            explanation="Some or all connections are reset during their work, four times a second, while each message "
            "takes 20 ms longer.",
            seen_as="connections cut",
            lasts_s=(1.0, 2.0),
            by_proxy=True,
        ),
        FaultName.COMMIT_REPLY_CUT: FaultKind(
            title="Replies to COMMIT are lost",
            explanation="PostgreSQL commits, and the connection is cut before the bank receives the reply.",
            seen_as="replies cut",
            lasts_s=(1.0, 2.0),
            by_proxy=True,
        ),
        # Longer than the second for which a request waits for a connection, and shorter than the five seconds after
        # which a statement is cancelled.
        FaultName.POOL_EXHAUSTED: FaultKind(
            title="Every connection of the pools is busy",
            explanation="Another client locks the table of accounts; requests wait for it with their connections "
            "until no connection is free.",
            seen_as="requests with the answer OVERLOADED",
            lasts_s=(2.5, 3.5),
        ),
        FaultName.DATABASE_SLOW: FaultKind(
            title="PostgreSQL is slow",
            explanation="Each message to and from PostgreSQL takes 40 to 120 ms longer.",
            seen_as="messages delayed",
            lasts_s=(2.0, 3.0),
            by_proxy=True,
        ),
        # Longer than the six seconds after which a worker cancels a statement.
        FaultName.DATABASE_UNRESPONSIVE: FaultKind(
            title="PostgreSQL does not respond",
            explanation="Connections are accepted and stay open, but carry no data.",
            seen_as="messages withheld",
            lasts_s=(6.5, 7.5),
            by_proxy=True,
        ),
        # The other workers first wait for a worker that receives no notifications. The fault lasts longer than this, so
        # that such a worker has time to answer with an old value.
        FaultName.LISTENERS_DISCONNECTED: FaultKind(
            title="Workers lose their listening connections while one has no Redis",
            explanation="PostgreSQL ends the listening connections of workers, repeatedly, while one worker cannot "
            "reach Redis and has to notify the others of its changes.",
            seen_as="listening connections ended",
            lasts_s=(4.0, 5.0),
            by_redis_proxy=True,
        ),
        FaultName.REDIS_ROLLED_BACK: FaultKind(
            title="Redis goes back to an older state",
            explanation="All keys are copied, and a second later the copy is restored, repeatedly, as when a replica "
            "that was behind is promoted.",
            seen_as="keys restored",
            lasts_s=(2.0, 3.0),
            own_redis=True,
        ),
        FaultName.REDIS_UNREACHABLE: FaultKind(
            title="One worker has no Redis",
            explanation="The connections of one worker to Redis stay open, but carry no data, while people log out and "
            "their tokens are tried on every worker.",
            seen_as="messages withheld",
            lasts_s=(2.0, 3.0),
            by_redis_proxy=True,
        ),
        # Several times as long as the other workers wait for a stopped worker.
        FaultName.WORKER_STOPPED: FaultKind(
            title="A worker is stopped in the middle of a batch",
            explanation="SIGSTOP to a worker during a batch, and SIGCONT a while later; the others must move money "
            "meanwhile.",
            seen_as="batches stopped",
            lasts_s=(2.0, 3.0),
        ),
        FaultName.DATABASE_KILL_WHEN_IDLE: FaultKind(
            title="PostgreSQL is killed after the last request",
            explanation="SIGKILL to PostgreSQL after every event has been handled and before this is on the disk; it "
            "is started again at once, and no more postings follow.",
            seen_as="times killed with deliveries that were not on the disk",
            lasts_s=(0.0, 0.0),
            own_database=True,
            when_idle=True,
        ),
    }
)
"""Every fault by name, in the order in which faults are listed."""

RECOVERY_MAX_S = 15.0
"""The longest permitted time between the end of a fault and the recovery of the service, without a human."""

TAKEOVER_MAX_S = 2.0
"""The longest permitted time, with several workers, until another worker serves the subscribers of a dead one."""


@dataclass(frozen=True, slots=True)
class PlannedFault:
    """A fault of the plan, which begins at the earliest `at_ms` after the start of the drive.

    `worker` is the worker to kill, to stop or to separate from Redis; None is the worker that serves the subscribers.
    `percent` is the share of the connections to cut, `replies` the number of replies to COMMIT to cut, and `delay_ms`
    the delay of each message.
    """

    name: FaultName
    at_ms: int
    lasts_ms: int
    worker: int | None = None
    percent: int | None = None
    replies: int | None = None
    delay_ms: int | None = None

    @property
    def what(self) -> str:
        """A description of the fault in a few words."""
        match self.name:
            case FaultName.WORKER_KILL:
                return self._who
            case FaultName.WORKER_STOPPED:
                return f"{self._who}, for {self.lasts_ms / 1000:.1f} s"
            case FaultName.LISTENERS_DISCONNECTED | FaultName.REDIS_UNREACHABLE:
                return f"{self._who} without Redis, for {self.lasts_ms / 1000:.1f} s"
            case FaultName.DATABASE_KILL_WHEN_IDLE:
                return "at the very end"
            case FaultName.CONNECTIONS_CUT:
                return f"{self.percent} % of them, for {self.lasts_ms / 1000:.1f} s"
            case FaultName.COMMIT_REPLY_CUT:
                return f"the next {self.replies}"
            case FaultName.DATABASE_SLOW:
                return f"{self.delay_ms} ms each way, for {self.lasts_ms / 1000:.1f} s"
            case _:
                return f"for {self.lasts_ms / 1000:.1f} s"

    @property
    def _who(self) -> str:
        return "the worker that serves the subscribers" if self.worker is None else f"worker-{self.worker}"


@dataclass(slots=True)
class FaultRun:
    """The course of a fault. Times are of the clock of the history; 0 means that the instant has not come yet.

    `seen` counts what `FaultKind.seen_as` names. `takeover_s` is the time for which certainly no worker served the
    subscribers of a killed worker; None if it was not measured. `stopped_worker` is the number of the worker that was
    stopped for the whole fault. `drained_s` is the time from the end of a fault of the idle bank until every
    event was handled; None if this did not happen in time.
    """

    planned: PlannedFault
    began_ns: int = 0
    ended_ns: int = 0
    seen: int = 0
    detail: str = ""
    takeover_s: float | None = None
    stopped_worker: int | None = None
    drained_s: float | None = None

    def __str__(self) -> str:
        """Return a text that identifies the fault, for a violation."""
        return f"{self.planned.name} ({self.detail or self.planned.what})"
