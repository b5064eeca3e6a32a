"""The commands in the documentation work as they are written.

A fenced block that begins with three backticks and `console` is executed. A line that begins with `$ ` is a command;
lines that begin with `> ` or follow a backslash continue it. Any other line is expected output, in this order, and
`...` stands for any text. Output that is not shown is not compared; the exit code decides whether a command fails. The
blocks of one page run one after the other in one shell, in a new folder with links to all files of the checkout.
Processes that a page starts in the background are stopped at its end. Port 8000 is replaced by a free port.

A block that takes long, needs another machine, or changes this one is marked on a line of its own above it:

    <!-- runs in .ci/run: tox run -e simulation -->

It is then not executed here. The text after the colon must be in the named file, which runs the block.
`<!-- runs by hand: why -->` marks a block that no file can run, with the reason.
"""

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fixtures.ports import free_ports

ROOT = Path(__file__).parents[2]
PAGES = [page for name in ("README.md", "CONTRIBUTING.md", "docs/*.md") for page in sorted(ROOT.glob(name))]
# The longest page runs two short simulations, which take a third of this on two cores.
PAGE_S = 300
# After SIGTERM the bank finishes its requests and stops its servers.
STOP_S = 20
MARK = re.compile(r"<!-- runs (?:in (?P<file>[^ :]+)|by hand): (?P<text>.+?) -->")


@dataclass
class Command:
    """A command, its line number, and its expected output."""

    line: int
    text: str
    expected: list[str] = field(default_factory=list)


@dataclass
class Block:
    """The commands of one fence. `mark` names the file that runs them instead, or the reason why none can."""

    line: int
    commands: list[Command]
    mark: re.Match[str] | None


def read_blocks(text: str) -> list[Block]:
    """Return the console blocks of a Markdown page."""
    blocks: list[Block] = []
    mark: re.Match[str] | None = None
    fence: str | None = None
    block: Block | None = None
    for number, raw in enumerate(text.splitlines(), start=1):
        line = raw.strip()
        if fence is None and line.startswith("```"):
            fence = line[: len(line) - len(line.lstrip("`"))]
            block = Block(number, [], mark) if line.strip("`").split()[:1] == ["console"] else None
            mark = None
        elif fence is not None and line == fence:
            blocks += [block] if block else []
            fence, block = None, None
        elif fence is None and line:
            mark = MARK.fullmatch(line)
        elif block is not None:
            _read_line(block, number, line)
    return blocks


def _read_line(block: Block, number: int, line: str) -> None:
    commands = block.commands
    if line.startswith("$ "):
        commands.append(Command(number, line[2:]))
    elif commands and not commands[-1].expected and (line.startswith("> ") or commands[-1].text.endswith("\\")):
        commands[-1].text += "\n" + line.removeprefix("> ")
    elif commands and line:
        commands[-1].expected.append(line)


def write_script(commands: list[Command]) -> str:
    """Return a script that runs the commands in one shell until one fails, and marks the begin and the end of each."""
    lines = ["set -o pipefail", "trap 'kill $(jobs -p) 2>/dev/null; wait' EXIT"]
    for number, command in enumerate(commands):
        lines += [f"printf '\\n@@ {number} begins\\n'", command.text, "code=$?"]
        lines += [f"printf '\\n@@ {number} ended %d\\n' $code", "[ $code -eq 0 ] || exit 1"]
    return "\n".join([*lines, ""])


def run_script(commands: list[Command], folder: Path, *, timeout_s: float) -> str:
    """Run the commands. Returns the output of the commands and of the processes that they started."""
    script, output, work = folder / "script.sh", folder / "output", folder / "work"
    script.write_text(write_script(commands))
    work.mkdir()
    for entry in ROOT.iterdir():
        if not entry.name.startswith(".") and entry.name not in {"bank-data", "simulation-report"}:
            (work / entry.name).symlink_to(entry)
    with output.open("wb") as sink:
        process = subprocess.Popen(
            ["bash", script], cwd=work, env=_environment(), stdin=subprocess.DEVNULL, stdout=sink,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
    try:
        process.wait(timeout_s)
    except subprocess.TimeoutExpired:
        _stop(process)
        return f"{output.read_text(errors='replace')}\n(stopped after {timeout_s:g} s)"
    return output.read_text(errors="replace")


def _environment() -> dict[str, str]:
    ours = ("BANK_", "DATABASE_URL", "REDIS_URL", "COV_")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return environment | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "COLUMNS": "120"}


def _stop(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGTERM)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def find_fault(commands: list[Command], written: str) -> str | None:
    """Return the first difference from the expected output, a failed command, or None."""
    for number, command in enumerate(commands):
        ended = re.search(rf"^@@ {number} begins\n(.*?)\n?^@@ {number} ended (\d+)$", written, re.DOTALL | re.MULTILINE)
        if ended is None:
            return f"line {command.line}: `{command.text}` did not end:\n{written[-3000:]}"
        output, code = ended.groups()
        if code != "0":
            return f"line {command.line}: `{command.text}` ended with exit code {code}:\n{output[-3000:]}"
        lines = iter(line.strip() for line in output.splitlines())
        for expected in command.expected:
            if not any(_matches(line, expected) for line in lines):
                return f"line {command.line}: `{command.text}` should have shown `{expected}`, not:\n{output[-3000:]}"
    return None


def _matches(line: str, expected: str) -> bool:
    # Tables are padded to the width of the terminal, so differences in white space do not count.
    pattern = ".*?".join(re.escape(part) for part in " ".join(expected.split()).split("..."))
    return re.fullmatch(pattern, " ".join(line.split())) is not None


@pytest.mark.timeout(PAGE_S + STOP_S + 10)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_commands_of_a_page_work(page: Path, tmp_path: Path) -> None:
    text = page.read_text(encoding="utf-8").replace("8000", str(free_ports(1)[0]))
    commands = [command for block in read_blocks(text) if not block.mark for command in block.commands]
    if not commands:
        return
    if re.search(r"\bcurl\b", "\n".join(command.text for command in commands)) and not shutil.which("curl"):
        pytest.skip("curl is not installed here")
    fault = find_fault(commands, run_script(commands, tmp_path, timeout_s=PAGE_S))
    assert fault is None, f"{page.name}, {fault}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_marked_as_run_by_another_file_are_in_that_file(page: Path) -> None:
    for block in read_blocks(page.read_text(encoding="utf-8")):
        if block.mark and block.mark["file"]:
            runner = ROOT / block.mark["file"]
            assert runner.is_file(), f"{page.name}, line {block.line}: there is no {block.mark['file']}"
            assert block.mark["text"] in runner.read_text(encoding="utf-8"), (
                f"{page.name}, line {block.line}: {block.mark['file']} does not hold `{block.mark['text']}`"
            )


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_inside_the_project_has_a_target(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if not re.match(r"[a-z]+:", target):
            path, _, anchor = target.partition("#")
            file = (page.parent / path).resolve() if path else page
            assert file.exists(), f"{page.name} links to {target}, and there is no such file"
            if anchor:
                assert anchor in _anchors(file), f"{page.name} links to {target}, and there is no such heading"


def _anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ +(.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


EXAMPLE = """
```console
$ word=hello
$ echo $word \\
    world
hello ...
$ cat <<end
> one
> two
> end
two
```

<!-- runs by hand: it takes a year -->

```console
$ sleep 31536000
```

```sh
$ this is not run
```
"""


def test_the_reader_of_pages_finds_the_commands_that_a_page_shows(tmp_path: Path) -> None:
    first, second = read_blocks(EXAMPLE)
    assert [command.text for command in first.commands] == [
        "word=hello",
        "echo $word \\\nworld",
        "cat <<end\none\ntwo\nend",
    ]
    assert [command.expected for command in first.commands] == [[], ["hello ..."], ["two"]]
    assert first.mark is None
    assert second.mark is not None
    written = run_script(first.commands, tmp_path, timeout_s=10)
    assert find_fault(first.commands, written) is None


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        (Command(1, "false | true"), "ended with exit code 1"),
        (Command(1, "echo one; echo two", ["two", "one"]), "should have shown `one`"),
        (Command(1, "echo one", ["on"]), "should have shown `on`"),
        (Command(1, "sleep 60"), "did not end"),
        (Command(1, "no-such-program"), "ended with exit code 127"),
        (Command(1, "if"), "did not end"),
    ],
    ids=lambda value: value.text if isinstance(value, Command) else "",
)
def test_a_failing_command_is_detected(command: Command, fault: str, tmp_path: Path) -> None:
    written = run_script([command], tmp_path, timeout_s=1)
    assert fault in (find_fault([command], written) or "")


def test_no_command_runs_after_a_failed_command(tmp_path: Path) -> None:
    commands = [Command(1, "false"), Command(2, "echo went on")]
    written = run_script(commands, tmp_path, timeout_s=10)
    assert "went on" not in written
    assert (find_fault(commands, written) or "").startswith("line 1: `false` ended with exit code 1")


def test_background_processes_of_a_page_are_stopped(tmp_path: Path) -> None:
    started = [Command(1, "sleep 3600 & echo pid $!", ["pid ..."])]
    written = run_script(started, tmp_path, timeout_s=10)
    found = re.search(r"pid (\d+)", written)
    assert found is not None
    with pytest.raises(ProcessLookupError):
        os.kill(int(found[1]), 0)
