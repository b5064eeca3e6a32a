"""The success criteria: how each is measured, and whether it was met."""
