"""Resolvers: parse, call, shape. One file per noun of the schema."""
