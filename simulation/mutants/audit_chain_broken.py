"""Each delivery begins a new audit chain, so earlier rows can be changed without detection."""

from simulation.mutants.mutant import Mutant
from simulation.mutants.patched_sql import patch_insert_audit_rows


def plant() -> None:
    """Use zeros instead of the hash of the last row."""
    patch_insert_audit_rows(("coalesce(last.hash, decode(repeat('00', 32), 'hex'))", "decode(repeat('00', 32), 'hex')"))


MUTANT = Mutant(
    name="audit_chain_broken",
    explanation=__doc__ or "",
    caught_by=("audit_complete",),
    plant=plant,
)
