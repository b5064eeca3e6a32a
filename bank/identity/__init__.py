"""Who is who: register, log in, sessions and their tokens."""
