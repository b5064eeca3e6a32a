"""Whose address a request comes from, behind the proxies of one's own.

Anybody can write an `X-Forwarded-For`; what a trusted proxy has added to its end can be believed, and nothing before.
"""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address


def sender_address(peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str | None:
    """Return the address of whoever sent a request: the last one that is not a trusted proxy's.

    `peer` is the address at the other end of the connection, `forwarded_for` the values of X-Forwarded-For. None where
    there is no peer, as with a Unix socket.
    """
    address = _read(peer or "")
    if address is None or not trusted:
        return peer
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    while any(address in network for network in trusted) and hops:
        # A proxy that names no address is the last that can be told.
        before = _read(hops.pop().strip())
        if before is None:
            break
        address = before
    return str(address)


def _read(text: str) -> Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    # A dual-stack socket sees a.b.c.d as ::ffff:a.b.c.d.
    return getattr(address, "ipv4_mapped", None) or address
