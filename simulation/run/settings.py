"""The settings of a run: its plan, its servers, and the folders for history and logs."""

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from simulation.model.faults import FAULTS
from simulation.model.plan import Plan
from simulation.model.scenario import Scenario
from simulation.stack.start import Servers


@dataclass(frozen=True, slots=True)
class RunSettings:
    """The settings of a run: its plan, its servers, and the folders for history and logs.

    `left_out` has a sentence for each fault that is not possible on these servers. If `keep` is None, the database is
    kept after a failed run; if True, after every run; if False, never.
    """

    plan: Plan
    scenario: Scenario
    servers: Servers
    out: Path
    mutant: str | None = None
    left_out: Sequence[str] = ()
    keep: bool | None = None

    def replay_command(self) -> str:
        """Return the command line that runs the same plan again."""
        plan = self.plan
        words = ["simulation", "run", "--seed", str(plan.seed), "--scenario", plan.scenario]
        words += ["--people", str(plan.customers), "--duration", f"{plan.duration_s:g}", "--rate", f"{plan.rate:g}"]
        words += ["--workers", str(plan.workers), "--backend", self.servers.backend]
        words += ["--overtime", f"{plan.overtime_s:g}"]
        if plan.faults:
            planned = {fault.name for fault in plan.faults}
            words += ["--faults", ",".join(name for name in FAULTS if name in planned)]
        words += ["--mutant", self.mutant] if self.mutant else []
        return shlex.join(words)
