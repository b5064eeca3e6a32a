"""Planted bugs, one a file: each shows that a check catches what it says it catches.

A mutant is patched into the bank's classes and functions when a worker starts (`python -m simulation.mutants.serve`);
the bank itself has no hook for it. Where a guard of the database would stop the bug, the mutant takes the guard away.
"""

from simulation.mutants.mutant import Mutant

MUTANTS: dict[str, Mutant] = {}
