"""The plan: who does what and when, drawn from the seed."""
