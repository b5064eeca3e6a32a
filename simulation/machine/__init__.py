"""The machine that a run is on: what it is, and what else it did meanwhile."""
