"""A run: its settings, its driver, its observations, and its course from the plan to the result."""
