"""The system under test: the servers, and the bank's workers as real processes."""
