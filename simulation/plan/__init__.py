"""The generator of a plan: people, operations and faults with their times, drawn from the seed."""
