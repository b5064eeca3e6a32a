"""Values in the form in which clients send them: idempotency keys and amounts."""

from random import Random
from uuid import UUID


def draw_key(random: Random) -> str:
    """Draw an idempotency key, a UUID as in other clients."""
    return str(UUID(int=random.getrandbits(128), version=4))


def decimal(amount_minor: int) -> str:
    """Format minor units as a decimal, such as 10.50."""
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"
