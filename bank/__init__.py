"""An event-driven bank: a GraphQL API, PostgreSQL as the system of record, Redis as a cache, and an event log."""
