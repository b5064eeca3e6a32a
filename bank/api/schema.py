"""The served schema: the SDL of `contracts/schema/` as one text."""

import contracts

# The name under which resolvers register.
SCHEMA_NAME = "bank"


def load_sdl() -> str:
    """Return the SDL files joined in the order of their names, so that every worker serves the same text."""
    files = sorted(contracts.SCHEMA.iterdir(), key=lambda file: file.name)
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.name.endswith(".graphql"))
