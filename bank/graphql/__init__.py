"""A GraphQL server around Tartiflette that knows nothing of banking; README.md says what it replaces and why."""
