"""A burst: requests from one address, as many and as fast as possible, until the bank refuses them."""

import asyncio

import msgspec

from simulation.attacks.record import AttackRecorder
from simulation.model.attacks import AttackRequest, Quota

REQUEST = "one of a burst"
AT_ONCE = 20
BURSTS_MAX = 100
"""Three times as many requests as the rate limit of an address admits; the bank must have refused one before."""

CHEAPEST = msgspec.json.encode({"query": "{ __typename }"})


SPOOFED = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP")
"""The headers in which some servers look for the address of a client."""


async def send_burst(recorder: AttackRecorder) -> None:
    """Send the cheapest request, some at a time, until one is refused. Each names another address as its own."""
    for number in range(BURSTS_MAX):
        sent = await asyncio.gather(*(_send(recorder, number * AT_ONCE + place) for place in range(AT_ONCE)))
        if any("RATE_LIMITED" in request.codes for request in sent):
            return


async def _send(recorder: AttackRecorder, number: int) -> AttackRequest:
    address = f"192.0.2.{number % 254 + 1}"
    headers = {name: f"for={address}" if name == "Forwarded" else address for name in SPOOFED}
    return await recorder.send_body(REQUEST, CHEAPEST, quota=Quota.READ, headers=headers)
