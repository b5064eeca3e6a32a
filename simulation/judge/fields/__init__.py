"""Rules for every field of an answer: the types of the contract, a rule for each field, and the walk over answers."""
