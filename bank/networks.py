"""Networks of clients: the unit for which everything per client address is counted."""

from collections.abc import Sequence
from functools import lru_cache
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

# More addresses than a worker has connections.
ADDRESSES_REMEMBERED = 16_384


@lru_cache(maxsize=ADDRESSES_REMEMBERED)
def network_of(address: str | None) -> str:
    """Return the IPv4 address, or the /64 network of an IPv6 address, since one client can use all of its /64."""
    try:
        known = ip_address(address or "")
    except ValueError:
        return address or "none"
    if isinstance(known, IPv6Address):
        return str(known.ipv4_mapped or ip_network((int(known) >> 64 << 64, 64)))
    return str(known)


def is_within(address: str | None, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Return whether an address is in one of the networks; False for a text that is not an address."""
    try:
        known = ip_address(address or "")
    except ValueError:
        return False
    return any(known in network for network in networks)
