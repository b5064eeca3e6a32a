"""Holds: money reserved on one account for the owner of another account to capture."""
