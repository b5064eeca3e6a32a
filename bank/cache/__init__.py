"""The cache in Redis: responses, versioned values and session marks. Losing it loses no data (R10, R11)."""
