"""Coverage: the situations that must occur in a run for a valid test."""
