"""Protection of the bank against misuse."""
