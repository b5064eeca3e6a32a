"""A burst: requests from one address, as many and as fast as possible, until the bank refuses them."""

import asyncio

import msgspec

from simulation.attacks.record import AttackRecorder
from simulation.model.attacks import Quota

REQUEST = "one of a burst"
AT_ONCE = 20
BURSTS_MAX = 100
"""Three times as many requests as the rate limit of an address admits; the bank must have refused one before."""

CHEAPEST = msgspec.json.encode({"query": "{ __typename }"})


async def send_burst(recorder: AttackRecorder) -> None:
    """Send the cheapest request, some at a time, until one is refused."""
    for _ in range(BURSTS_MAX):
        sent = await asyncio.gather(*(recorder.send_body(REQUEST, CHEAPEST, quota=Quota.READ) for _ in range(AT_ONCE)))
        if any("RATE_LIMITED" in request.codes for request in sent):
            return
