"""Accounts: open them, read them, keep their balances in the cache."""
