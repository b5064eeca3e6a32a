"""Values that all rooms of the simulation share: plans, attempts, answers, faults and results. They import no room."""
