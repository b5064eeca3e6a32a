"""The success criteria: their measures and their verdicts."""
