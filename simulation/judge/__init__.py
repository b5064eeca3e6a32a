"""What must be true: what people were told, what the database says, and what the oracle makes of it."""
