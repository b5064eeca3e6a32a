"""The success criteria of the spec: how each is measured, and whether it was met."""
