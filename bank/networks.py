"""Networks of clients: the unit for which everything per client address is counted."""

from functools import lru_cache
from ipaddress import IPv6Address, ip_address, ip_network

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
