"""The generator of the warm-up: rare requests, races, and other situations that need a fixed sequence."""
