"""Values as clients send them: idempotency keys and amounts."""

from random import Random
from uuid import UUID


def draw_key(random: Random) -> str:
    """Draw an idempotency key, as a client would."""
    return str(UUID(int=random.getrandbits(128), version=4))


def decimal(amount_minor: int) -> str:
    """Write minor units as a decimal, such as 10.50."""
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"
