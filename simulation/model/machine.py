"""The machine of a run, and its use during one second."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """The machine and the software. `load` is the load average of the minute before the run.

    `commit` is None if the project does not run from a clone. It ends with `+` if the clone has uncommitted changes.
    """

    system: str
    python: str
    cores: float
    load: float
    version: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class Second:
    """The use of the machine from `from_s` to `to_s`. Shares are between 0 and 1, of all `cores`.

    `own` is the share of the processes of the run: the bank, PostgreSQL, Redis and the simulation itself. `others` is
    the share of all other processes. `late_ms` is the 99th percentile of the delay with which a process that only
    sleeps was woken; None if it was not measured.
    """

    from_s: float
    to_s: float
    cores: float
    own: float
    others: float
    steal: float
    idle: float
    late_ms: float | None = None
