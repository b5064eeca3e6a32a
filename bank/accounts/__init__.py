"""Accounts: opening, reading, changing them, and their balances in the cache."""
