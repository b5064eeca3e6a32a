"""Rules for every field of an answer: the contract's types, a rule for each field, and the walk over answers."""
