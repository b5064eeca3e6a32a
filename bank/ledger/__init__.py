"""The ledger: what may be posted (model, pure) and how it is written (post, the batch)."""
