"""The bank's face: HTTP, the GraphQL engine behind its gate, and the resolvers."""
