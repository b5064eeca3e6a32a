"""A written-through value replaces the stored value, even if the stored value is newer."""

from collections.abc import Sequence

from bank.accounts.cached import AccountCache
from bank.ledger.model import Account
from simulation.mutants.mutant import Mutant
from simulation.mutants.patched_lua import delay, patch_function

LATE_S = 1.0
"""Later than the subscriber that writes the value of the next commit to the cache, on a busy machine too."""


def _pause_s(accounts: Sequence[Account]) -> float:
    """Return the delay of every second version, so the next version is stored before it."""
    return 0.0 if any(account.version % 2 for account in accounts) else LATE_S


def plant() -> None:
    """Remove the comparison of versions, and delay every second write-through."""
    patch_function("put", "local newer = not current or tonumber(current) < tonumber(version)", "local newer = true")
    delay(AccountCache, "write_through", _pause_s)


MUTANT = Mutant(
    name="older_value_overwrites_newer",
    explanation=__doc__ or "",
    caught_by=("read_your_writes",),
    plant=plant,
    workers=2,
    warm_up=True,
)
