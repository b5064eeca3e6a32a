"""Identity: registration, logins, sessions and their tokens."""
