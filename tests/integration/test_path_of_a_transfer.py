"""The path of a transfer from its resolver to the SQL is short, and agrees with the documentation."""

import re
import sys
from pathlib import Path
from types import FrameType

import bank
from tests.integration.api import RunningBank
from tests.integration.payers import payer_at

BANK = Path(bank.__file__).parent
PAGE = (BANK.parent / "docs" / "architecture.md").read_text("utf-8")
FILES_MAX = 8
FORMS_MAX = 4
# These packages are specific to transfers; all other code on the path is general.
ROOMS = ("api/resolvers/", "transfers/", "ledger/")


class Trace:
    """A recorder of the bank's files whose code runs from the resolver of a transfer to its INSERT statement."""

    def __init__(self) -> None:
        self.files: dict[str, None] = {}
        self._running = False

    def __call__(self, frame: FrameType, event: str, _argument: object) -> None:
        path = Path(frame.f_code.co_filename)
        if event != "call" or not path.is_relative_to(BANK):
            return
        place = str(path.relative_to(BANK))
        self._running |= frame.f_code.co_name == "resolve_transfer"
        if self._running:
            self.files[place] = None
        if place == "ledger/queries.sql" and "ledger/write.py" in self.files:
            self._running = False


async def test_a_transfer_passes_the_documented_files_and_at_most_eight(running_bank: RunningBank) -> None:
    payer = await payer_at(running_bank)
    await running_bank.caught_up()
    trace = Trace()
    sys.setprofile(trace)
    try:
        await payer.pay("k")
    finally:
        sys.setprofile(None)
    assert await payer.balances() == ("90.00", "10.00")
    passed = [file for file in trace.files if file.startswith(ROOMS)]
    section = PAGE[PAGE.index("### The files of a transfer") : PAGE.index("### The forms of a transfer")]
    documented = re.findall(r"^\d\. `bank/([\w./]+)`", section, re.MULTILINE)
    assert sorted(passed) == sorted(documented)
    assert len(passed) <= FILES_MAX
    asked = {file for file in trace.files if file.startswith("idempotency/")}
    assert asked == set(re.findall(r"`bank/(idempotency/[\w.]+)`", section))


def test_the_documented_forms_are_at_most_four() -> None:
    section = PAGE[PAGE.index("### The forms of a transfer") :]
    forms = re.findall(r"^\d\. ", section[: section.index("\n### ")], re.MULTILINE)
    assert 0 < len(forms) <= FORMS_MAX
