"""The audit trail: who did what to what, one row for every event."""
