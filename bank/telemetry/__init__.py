"""How the bank says what it does: logs with a correlation id, metrics."""
