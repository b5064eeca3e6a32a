"""The ledger: the pure decisions on postings (model, batch), and how they are written (post, write)."""
