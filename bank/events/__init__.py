"""What has happened: the log that holds it, the bus that spreads it, the delivery that makes sure (R7, R8, R9)."""
