"""A run: plan, stack, setup, drive, drain, observe, judge."""
