"""An event-driven banking monolith: GraphQL in front, PostgreSQL for truth, Redis for speed, events in between."""
