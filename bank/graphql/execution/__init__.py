"""Execution: from a validated document to the response (GraphQL September 2025, section 6)."""
