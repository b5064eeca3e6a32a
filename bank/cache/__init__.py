"""Redis: what was read is not read again, and nothing that Redis says is ever the truth (R10, R11)."""
