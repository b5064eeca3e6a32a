"""Validation: from the text of a document to a validated document (GraphQL September 2025, section 5)."""
