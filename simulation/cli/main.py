"""The commands of `simulation`: run, list and inspect."""

import contextlib
import json
import secrets
import signal
import sys
import traceback
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import NoReturn, cast

import click
from rich.console import Console

from fixtures.backends import BackendKind, EmbeddedPostgres
from fixtures.backends.launch import DATABASE
from fixtures.backends.reach import run_sql
from simulation.faults.choose import FaultsError, choose_faults, describe_faults
from simulation.model.faults import FaultName
from simulation.model.plan import Plan, PlanError
from simulation.model.progress import Step
from simulation.model.result import Excerpt, IncompleteRun, RunResult
from simulation.model.scenario import Scenario
from simulation.mutants import NAMES as MUTANT_NAMES
from simulation.plan.draw import draw_plan, longest_overtime_s
from simulation.plan.timetable import needed_s
from simulation.report.document import render_json
from simulation.report.live import open_progress
from simulation.report.terminal import open_console, print_verdict
from simulation.report.write import ReportError, prepare_folder, write_incomplete, write_report
from simulation.run.play import play
from simulation.run.settings import RunSettings
from simulation.scenarios import SCENARIOS
from simulation.stack.commands import CouldNotRunError
from simulation.stack.start import STOPPING, Servers

COULD_NOT_RUN = 2
LOG_LINES_MAX = 40
"""Number of lines of each log in the report of a run that ended early: the traceback of a failed start, and some lines
before it."""
RANDOM_SEED_MAX = 1_000_000
"""The bound of random seeds, so they are short enough to read aloud; the option accepts any other seed."""

TIMES_UNDECIDED_WARNING = (
    "simulation: WARNING: every check passed, but times are undecided on this machine; "
    "the exit code is 0 only because of --undecided-timing=pass"
)

OVERTIME_FACTOR = 3
"""The longest overtime, as a multiple of the duration. Four times the time halves a confidence interval; if that does
not decide a criterion, more time is unlikely to."""

OVERTIME_MAX_S = 180.0
"""The longest overtime in seconds, because a pipeline waits for it in addition to the requested duration."""


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="event-driven-bank", prog_name="simulation")
def cli() -> None:
    """Test the bank: synthetic people use it over HTTP, and checks examine every answer."""


@cli.command()
@click.option(
    "--seed", type=int, help="The seed of the plan; the same seed gives the same plan. By default, a random one."
)
@click.option("--scenario", type=click.Choice(list(SCENARIOS)), default="first_day", show_default=True)
@click.option(
    "--people", type=int, help="Number of customers. The scenario has defaults for this and the next three options."
)
@click.option("--duration", type=float, help="Seconds of the drive, after setup and warm-up.")
@click.option("--rate", type=float, help="Planned operations per second, on average.")
@click.option("--workers", type=int, help="Number of workers of the bank.")
@click.option(
    "--backend",
    type=click.Choice(["embedded", "containers", "external"]),
    default="embedded",
    show_default=True,
    help="PostgreSQL and Redis come from wheels, from containers, or from the two URLs.",
)
@click.option("--database-url", envvar="DATABASE_URL", help="For the external backend: an empty database.")
@click.option("--redis-url", envvar="REDIS_URL", help="For the external backend.")
@click.option(
    "--faults",
    default="none",
    show_default=True,
    metavar="[NAMES|all|none]",
    help="Faults to cause during the drive, separated by commas; `simulation list` explains them.",
)
@click.option(
    "--overtime",
    type=float,
    help="The most seconds by which the drive is longer if a success criterion is undecided. By default, three times "
    "the duration.",
)
@click.option(
    "--undecided-timing",
    type=click.Choice(["unknown", "pass"]),
    default="unknown",
    show_default=True,
    help="The exit code if every check passed and only times are undecided: 3, or 0 with a warning.",
)
@click.option("--mutant", help="Plant a bug in the bank, which a check must catch; `simulation list` names them.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default="simulation-report",
    show_default=True,
    help="The folder for the report, the history and the logs.",
)
@click.option(
    "--keep/--no-keep",
    default=None,
    help="Keep the embedded database after the run, or never. By default, it is kept after a failure.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Print the report as JSON to standard output, and everything else to standard error.",
)
def run(
    *,
    seed: int | None,
    scenario: str,
    people: int | None,
    duration: float | None,
    rate: float | None,
    workers: int | None,
    backend: str,
    database_url: str | None,
    redis_url: str | None,
    faults: str,
    overtime: float | None,
    undecided_timing: str,
    mutant: str | None,
    out: Path,
    keep: bool | None,
    as_json: bool,
) -> None:
    """Start the bank and its servers, run a scenario, and give a verdict.

    Exit code: 0 passed, 1 failed, 2 could not run or was interrupted, 3 undecided. The report is written in each case.
    """
    shape = SCENARIOS[scenario]
    names, left_out = choose_faults(faults, backend)
    if duration is None:
        duration = max(shape.duration_s, needed_s(names))
    rate = shape.rate if rate is None else rate
    plan = draw_plan(
        seed=secrets.randbelow(RANDOM_SEED_MAX) if seed is None else seed,
        scenario=shape,
        customers=shape.people if people is None else people,
        duration_s=duration,
        rate=rate,
        workers=shape.workers if workers is None else workers,
        faults=names,
        overtime_s=_overtime_s(shape, duration, rate, overtime, faults=names),
    )
    _require_mutant(mutant)
    prepare_folder(out)
    console = open_console(stderr=as_json)
    servers = Servers(cast("BackendKind", backend), database_url, redis_url)
    for sentence in (*left_out, *describe_faults(plan.faults)):
        console.print(sentence, markup=False, soft_wrap=True)
    result = _play(RunSettings(plan, shape, servers, out, mutant, left_out, keep), console)
    files = write_report(result, out)
    if as_json:
        click.echo(render_json(result))
    print_verdict(result, console, [*files, out / "history.jsonl"])
    if undecided_timing == "pass" and result.only_times_undecided:
        click.echo(TIMES_UNDECIDED_WARNING, err=True)
        sys.exit(0)
    sys.exit(result.exit_code)


@cli.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_(*, as_json: bool) -> None:
    """Explain the scenarios, checks, criteria, coverage, faults and mutants."""
    # Imported here, because it loads the mutants and with them the bank, which an ordinary run never loads.
    from simulation.cli.explain import catalogue, catalogue_text  # noqa: PLC0415 - see above

    click.echo(json.dumps(catalogue(), indent=2, ensure_ascii=False) if as_json else catalogue_text())


@cli.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--sql", help="Execute this statement, print its rows, and stop.")
def inspect(folder: Path, sql: str | None) -> None:
    """Start the database that a failed run kept in FOLDER, until interrupted. Delete the folder afterwards."""
    with EmbeddedPostgres(folder) as postgres:
        if sql is not None:
            for row in run_sql(postgres.url(DATABASE), sql):
                click.echo("\t".join(str(value) for value in row))
            return
        click.echo(f"{postgres.program('psql')} '{postgres.url(DATABASE)}'")
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()


def _play(run: RunSettings, console: Console) -> RunResult:
    """Play the run. A run without a verdict writes its report too, and raises."""
    started_at, steps = datetime.now(UTC), []
    try:
        with open_progress(console, _title(run.plan)) as progress:
            steps = progress.steps
            return play(run, progress)
    except (Exception, KeyboardInterrupt) as error:
        files = write_incomplete(_incomplete(run, error, started_at, step=_failed_step(steps)), run.out)
        console.print(f"Report: {files[0]}", markup=False, soft_wrap=True)
        raise


def _failed_step(steps: Sequence[Step]) -> str:
    """Return the title of the step in which a run ended early. This is never the step of stopping, which follows."""
    titles = [step.title for step in steps if step.title != STOPPING]
    return titles[-1] if titles else "Starting"


def _incomplete(run: RunSettings, error: BaseException, started_at: datetime, *, step: str) -> IncompleteRun:
    known = isinstance(error, CouldNotRunError | ReportError)
    reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error) if known else repr(error)
    trace = [] if known or reason == "interrupted" else traceback.format_exception(error)
    excerpts = [Excerpt("The exception", tuple("".join(trace).splitlines()))] if trace else []
    excerpts += [
        Excerpt(f"The end of {path.name}", tuple(text.splitlines()[-LOG_LINES_MAX:]))
        for path in sorted((run.out / "logs").glob("*.log"))
        if path.stat().st_mtime >= started_at.timestamp() and (text := path.read_text(errors="replace").strip())
    ]
    return IncompleteRun(
        scenario=run.plan.scenario,
        seed=run.plan.seed,
        plan_hash=run.plan.hash,
        backend=run.servers.backend,
        started_at=started_at,
        finished_at=datetime.now(UTC),
        replay_command=run.replay_command(),
        step=step,
        reason=reason,
        excerpts=tuple(excerpts),
    )


def _title(plan: Plan) -> str:
    return f"{plan.scenario}  seed {plan.seed}  plan {plan.hash}"


def _overtime_s(
    shape: Scenario, duration_s: float, rate: float, requested_s: float | None, *, faults: Sequence[FaultName]
) -> float:
    if faults or not shape.criteria:
        return 0.0  # no success criterion counts, so nothing can stay undecided
    if requested_s is not None:
        return requested_s
    return min(OVERTIME_FACTOR * duration_s, OVERTIME_MAX_S, longest_overtime_s(duration_s, rate))


def _require_mutant(name: str | None) -> None:
    if name is not None and name not in MUTANT_NAMES:
        raise click.BadParameter(f"there is no mutant {name}; there are {', '.join(MUTANT_NAMES)}")


def main() -> NoReturn:
    """Run the command line. An error that the caller can correct is one sentence and exit code 2."""
    # Both signals end the run in the same way, even if a shell started it in the background with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        code = cli.main(standalone_mode=False)
    except click.ClickException as error:
        _could_not_run(error.format_message())
    except (PlanError, FaultsError, ReportError, CouldNotRunError) as error:
        _could_not_run(str(error))
    except (click.Abort, KeyboardInterrupt):
        _could_not_run("interrupted")
    sys.exit(code if isinstance(code, int) else 0)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    signal.raise_signal(signal.SIGINT)


def _could_not_run(sentence: str) -> NoReturn:
    click.echo(f"simulation: could not run: {sentence}", err=True)
    sys.exit(COULD_NOT_RUN)
