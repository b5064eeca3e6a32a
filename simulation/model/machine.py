"""The machine of a run, and its use in a second."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MachineFacts:
    """The machine and the software. `load` is the load average of the minute before the run.

    `commit` is None where the project was not run from a clone; a clone with changes of its own has a `+` behind it.
    """

    system: str
    python: str
    cores: float
    load: float
    version: str
    commit: str | None


@dataclass(frozen=True, slots=True)
class Second:
    """Use of the machine from `from_s` to `to_s`; shares are of all `cores`, 0 to 1.

    `own` is what the processes of the run used (the bank, PostgreSQL, Redis and the simulation itself), `others` what
    everything else did. `late_ms` is how late a process that only sleeps was woken at the 99th percentile, None where
    nobody looked.
    """

    from_s: float
    to_s: float
    cores: float
    own: float
    others: float
    steal: float
    idle: float
    late_ms: float | None = None
