"""An answer that was made before a change is kept after it, as if nothing had changed."""

from simulation.mutants.mutant import Mutant
from simulation.mutants.patched_lua import patch_script


def plant() -> None:
    """Leave the comparison of versions out of the script."""
    patch_script(
        "fill",
        "if current and tonumber(current) > tonumber(version) then\n    return 0\n  end",
        "if current and tonumber(current) > tonumber(version) then\n    redis.call('DEL', KEYS[i])\n"
        "    current = false\n  end",
    )


MUTANT = Mutant(
    name="older_answer_kept",
    explanation=__doc__ or "",
    caught_by=("read_your_writes",),
    plant=plant,
    workers=2,
    warm_up=True,
)
