"""The verdict in the terminal: targets, measurements, violations, and the command for a replay."""

import io
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from simulation.model.numbers import number
from simulation.model.result import (
    AttackResult,
    CheckResult,
    CoverageItem,
    CriterionResult,
    FaultResult,
    RunResult,
    Verdict,
)
from simulation.report.facts import by_operation, information
from simulation.report.wording import (
    SYMBOLS,
    fault_back,
    fault_moment,
    fault_takeover,
    first_trouble,
    headline,
    measured,
    span,
    violations,
    with_unit,
)

STYLES = {Verdict.PASS: "green", Verdict.FAIL: "bold red", Verdict.UNKNOWN: "yellow"}


LOG_WIDTH = 120
"""The width if it is unknown. A CI log is wider than the 80 columns of an old terminal, and tables need the width."""

LINES_MAX = 8
"""Number of lines of each excerpt about the first violation; the report has more lines."""

WIDE = 100
"""The least number of columns with space for intervals beside the values."""


def open_console(*, stderr: bool = False) -> Console:
    """Return a console on standard output or standard error.

    A symbol that the stream cannot encode becomes a question mark; the word beside it has the same meaning.
    """
    stream = sys.stderr if stderr else sys.stdout
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    width = None if stream.isatty() or "COLUMNS" in os.environ else LOG_WIDTH
    return Console(file=stream, width=width, highlight=False)


def print_verdict(result: RunResult, console: Console, files: Sequence[Path] = ()) -> None:
    """Print the tables, the verdict, the command for a replay, and the paths of the `files`."""
    console.print(_criteria(result.criteria, wide=console.width >= WIDE))
    console.print(_checks(result.checks))
    if result.faults:
        console.print(_faults(result.faults))
    if result.attacks:
        console.print(_attacks(result.attacks))
    if result.coverage:
        console.print(_coverage(result.coverage))
    console.print(_operations(result))
    facts = (f"{fact.title}: {with_unit(fact.value, fact.unit)}" for fact in information(result))
    console.print(Text("\n".join(f" {line}" for line in facts), style="dim"))
    for restart in result.worker_restarts:
        console.print(Text(f" {restart.at_s:.1f} s: {restart.worker} restarted, {restart.reason}", style="dim"))
    for note in result.notes:
        console.print(Text(f" {note}", style="dim"))
    console.print()
    console.print(Text.assemble(word(result.verdict), "  ", headline(result)))
    trouble = first_trouble(result)
    if trouble:
        console.print(Text(f"First problem: {trouble}"))
    for excerpt in result.first_violation[1:]:
        console.print(Text(f"{excerpt.title}:", style="bold"))
        for line in excerpt.lines[:LINES_MAX]:
            console.print(Text(f"  {line}", style="dim"), soft_wrap=True)
        if len(excerpt.lines) > LINES_MAX:
            console.print(Text(f"  and {len(excerpt.lines) - LINES_MAX} more, in the report", style="dim"))
    if result.kept_database is not None:
        console.print(Text(f"Database: simulation inspect {shlex.quote(result.kept_database)}"), soft_wrap=True)
        console.print(
            Text(f"  (rm -r {shlex.quote(str(Path(result.kept_database).parent))} removes it)"), soft_wrap=True
        )
    # soft_wrap, because a command or a path that is broken over two lines cannot be copied.
    console.print(Text(f"Replay: {result.replay_command}"), soft_wrap=True)
    if files:
        console.print(Text(f"Report: {', '.join(str(path) for path in files)}"), soft_wrap=True)


def word(verdict: Verdict) -> Text:
    """Return the verdict as a symbol and a word; the colour only repeats them."""
    return Text(f"{SYMBOLS[verdict]} {verdict.value}", style=STYLES[verdict], no_wrap=True)


def information_mark() -> Text:
    """Return the text instead of a verdict for numbers that are for information."""
    return Text("- for information", style="dim", no_wrap=True)


def _table(title: str, *columns: str, right: Sequence[str] = ()) -> Table:
    table = Table(title=title, title_justify="left", title_style="bold", box=SIMPLE_HEAD, pad_edge=False)
    for column in columns:
        table.add_column(column, justify="right" if column in right else "left", overflow="fold")
    return table


def _criteria(criteria: Sequence[CriterionResult], *, wide: bool) -> Table:
    extra = ("Interval", "Samples") if wide else ()
    table = _table("Success criteria", "", "Criterion", "Target", "Measured", *extra, right=("Samples",))
    for criterion in criteria:
        title = Text(criterion.title)
        if criterion.note:
            title.append(f"\n{criterion.note}", style="dim")
        cells = (criterion.target, measured(criterion), span(criterion), number(criterion.samples))
        table.add_row(
            word(criterion.verdict) if criterion.required else information_mark(), title, *cells[: 2 + len(extra)]
        )
    return table


def _checks(checks: Sequence[CheckResult]) -> Table:
    table = _table("Safety checks", "", "Property", "Examined", "Violations", right=("Examined", "Violations"))
    if not checks:
        table.add_row(word(Verdict.UNKNOWN), "No safety check examined this run", "0", "-")
    for check in checks:
        title = Text(check.title)
        if check.note:
            title.append(f"\n{check.note}", style="dim")
        if check.violations:
            title.append(f"\nfirst: {check.violations[0]}", style="red")
        table.add_row(word(check.verdict), title, f"{check.examined:,}", violations(check))
    return table


def _faults(faults: Sequence[FaultResult]) -> Table:
    numbers = ("Disturbed", "Takeover", "Back after")
    table = _table("Faults and recovery", "", "When", "Fault", *numbers, right=numbers)
    for fault in faults:
        what = Text(f"{fault.title}: {fault.detail}")
        if fault.note:
            what.append(f"\n{fault.note}", style="dim")
        cells = (f"{fault.hurt:,}", fault_takeover(fault), fault_back(fault))
        table.add_row(word(fault.verdict), Text(fault_moment(fault)), what, *cells)
    return table


def _attacks(attacks: Sequence[AttackResult]) -> Table:
    numbers = ("Attacks", "Requests", "Served", "Refused", "Throttled")
    table = _table("Attacks, judged by the safety checks", "Attack", *numbers, right=numbers)
    for attack in attacks:
        cells = (attack.attacks, attack.requests, attack.served, attack.refused, attack.throttled)
        table.add_row(Text(attack.title), *(f"{cell:,}" for cell in cells))
    return table


def _coverage(coverage: Sequence[CoverageItem]) -> Table:
    table = _table("Coverage", "", "Situation", "Times", right=("Times",))
    for coverage_item in coverage:
        if coverage_item.seen or coverage_item.required:
            mark = word(Verdict.PASS if coverage_item.seen else Verdict.UNKNOWN)
        else:
            mark = information_mark()
        table.add_row(mark, Text(coverage_item.title), f"{coverage_item.seen:,}" if coverage_item.seen else "never")
    return table


def _operations(result: RunResult) -> Table:
    numbers = ("Requests", "p50 ms", "p95 ms", "p99 ms", "Refused", "Unknown", "Errors")
    table = _table("Operations, latency from the intended start", "Operation", *numbers, right=numbers)
    for fact in by_operation(result.samples):
        times, counts = fact.latency_ms, fact.outcomes
        cells = (fact.count, times.p50, times.p95, times.p99, counts["refused"], counts["unknown"], counts["error"])
        table.add_row(Text(fact.operation), *(number(cell) for cell in cells))
    return table
