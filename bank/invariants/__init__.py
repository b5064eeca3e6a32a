"""Invariants of the books, and their verification: `bank check`."""
