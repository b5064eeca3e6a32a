"""Redis: what was read is not read again, and nothing that Redis says is ever the truth (rules 10 and 11)."""
