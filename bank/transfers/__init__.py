"""Transfers, transfer batches, deposits, withdrawals and reversals: one file per use case."""
