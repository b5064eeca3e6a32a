"""The bank's own verification of its books."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from simulation.stack.commands import BANK, last_line, run_for_output

CHECK_S = 120.0
"""A generous bound: a run writes some thousand entries, and `bank check` verifies a million in a few seconds."""


@dataclass(frozen=True, slots=True)
class BankCheck:
    """The report of `bank check` after the run; None if it could not read the database."""

    report: Mapping[str, Any] | None
    last_log_line: str = ""


async def run_bank_check(environment: Mapping[str, str]) -> BankCheck:
    """Run `bank check` while the bank runs, as an operator does."""
    code, output, errors = await run_for_output([*BANK, "check", "--json"], environment, timeout_s=CHECK_S)
    if code in {0, 1}:
        return BankCheck(json.loads(output))
    return BankCheck(None, last_line(errors) or f"`bank check` ended with exit code {code}")
