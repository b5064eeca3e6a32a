"""What each field of an answer must be: the contract's types, rules for their fields, and the walk over answers."""
