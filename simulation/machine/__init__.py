"""The machine of a run: its description, and its other work during the run."""
