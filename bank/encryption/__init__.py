"""Encryption of personal data that cannot be deleted, with one key for each person (R15)."""
