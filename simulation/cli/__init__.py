"""The command line of the simulation."""
