"""Coverage: what a run must have seen to have tested what it claims."""
