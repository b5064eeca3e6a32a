"""The bank's own metrics during a run."""
