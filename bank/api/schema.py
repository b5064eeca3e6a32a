"""The schema that is served: the SDL of `contracts/schema/`, as one text."""

import contracts


def load_sdl() -> str:
    """Return the SDL files joined in the order of their names, so that every process serves the same text."""
    files = sorted(contracts.SCHEMA.iterdir(), key=lambda file: file.name)
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.name.endswith(".graphql"))
