"""Resolvers: parse the arguments, call a use case, serialize the result. One file per noun of the schema."""
