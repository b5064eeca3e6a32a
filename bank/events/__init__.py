"""What has happened: the log that holds it, the bus that spreads it, the delivery that makes sure (rules 7 to 9)."""
