"""Idempotency: keys, request digests, stored outcomes and their retention (R12). The page is `docs/idempotency.md`."""
