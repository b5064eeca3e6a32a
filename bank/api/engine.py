"""The engine of the API: the served schema with all resolvers. It is built only if every field declares its access."""

from bank.api.authorization import require_declared_access
from bank.api.scalars import SCALARS
from bank.api.schema import SCHEMA_NAME
from bank.graphql.execution.engine import GraphQLEngine

RESOLVERS = [
    f"bank.api.resolvers.{noun}"
    for noun in (
        "identity",
        "accounts",
        "account_status",
        "transfers",
        "holds",
        "audit",
        "privacy",
        "second_factors",
        "approvals",
    )
]


async def create_engine(sdl: str) -> GraphQLEngine:
    """Return the engine for the SDL. Raises the errors of `GraphQLEngine.create` and `require_declared_access`."""
    engine = await GraphQLEngine.create(sdl, RESOLVERS, SCHEMA_NAME, codecs=SCALARS)
    require_declared_access(engine.resolved_fields())
    return engine
