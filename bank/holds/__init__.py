"""Holds: money set aside on one account, for the owner of another one to capture."""
