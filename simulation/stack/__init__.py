"""The system under test: servers, and the bank's workers as real processes."""
