"""Events: the log that stores them, the in-memory bus, and their delivery to subscribers (R7, R8, R9)."""
