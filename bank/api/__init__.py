"""The API of the bank: HTTP, middleware, and the resolvers of its GraphQL schema."""
