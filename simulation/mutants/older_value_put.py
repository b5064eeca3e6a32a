"""What is written through replaces what is there, whichever is newer."""

from simulation.mutants.mutant import Mutant
from simulation.mutants.patched_lua import patch_script


def plant() -> None:
    """Leave the comparison of versions out of the script."""
    patch_script(
        "put",
        "local newer = not current or tonumber(current) < tonumber(version)",
        "local newer = true",
    )


MUTANT = Mutant(
    name="older_value_put",
    explanation=__doc__ or "",
    caught_by=("read_your_writes",),
    plant=plant,
    workers=2,
    warm_up=True,
)
