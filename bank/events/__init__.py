"""Events: the log that stores them, the bus that publishes them, the delivery that makes sure (R7, R8, R9)."""
