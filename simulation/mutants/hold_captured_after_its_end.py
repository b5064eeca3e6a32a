"""An expired hold can be captured and released until the bank has processed its expiry."""

from datetime import UTC, datetime
from typing import Any

from msgspec.structs import replace

from bank.holds import capture, release
from simulation.mutants.mutant import Mutant, patch

LONG_AGO = datetime(2000, 1, 1, tzinfo=UTC)


def plant() -> None:
    """Let the decision use a time long ago."""

    def _active_hold(books: Any, hold_id: Any, *, caller_id: Any, owner_id: Any) -> Any:
        return original(replace(books, now=LONG_AGO), hold_id, caller_id=caller_id, owner_id=owner_id)

    patch(release, "active_hold", _active_hold)
    original = patch(capture, "active_hold", _active_hold)


MUTANT = Mutant(
    name="hold_captured_after_its_end",
    explanation=__doc__ or "",
    caught_by=("rows_match_requests",),
    plant=plant,
    warm_up=True,
)
