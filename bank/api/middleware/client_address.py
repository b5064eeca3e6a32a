"""The address of the client behind trusted proxies.

Any client can send `X-Forwarded-For`, so the bank uses only the entries that trusted proxies have appended (R17).
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bank.telemetry.context import current_context, enter_context

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

# An address as proxies write it: 203.0.113.7:51234, [2001:db8::7]:443, [2001:db8::7], also in quotation marks.
_WITH_PORT = re.compile(r'"?(?:\[(?P<v6>[^\[\]]+)\]|(?P<v4>[0-9.]+))(?::[0-9]{1,5})?"?', re.ASCII)


def resolve_client_address(
    trusted: Sequence[Network],
) -> Middleware:
    """Return the middleware that adds the client's address to the context of a request."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        address = client_address(request.remote, request.headers.getall("X-Forwarded-For", ()), trusted)
        context = current_context()
        assert context is not None  # correlation comes first
        enter_context(replace(context, ip_address=address))
        return await handler(request)

    return middleware


def client_address(peer: str | None, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str | None:
    """Return the address of the client: the last address on the way that is not a trusted proxy's.

    `peer` is the address at the other end of the connection; `forwarded_for` has the values of X-Forwarded-For. The
    result is None without a peer, as with a Unix socket.
    """
    address = read_address(peer or "")
    if address is None:
        return peer
    if trusted:
        # Empty elements are ignored (RFC 9110, section 5.6.1).
        hops = [hop for value in forwarded_for for hop in value.split(",") if hop.strip()]
        while any(address in network for network in trusted) and hops:
            previous = read_address(hops.pop())
            if previous is None:
                break  # a proxy appended something else than an address: its own address is the last known one
            address = previous
    return str(address)


@lru_cache(maxsize=4096)
def read_address(text: str) -> Address | None:
    """Return the address in a text, without port, brackets or zone; None for any other text."""
    text = text.strip()
    if (parts := _WITH_PORT.fullmatch(text)) is not None:
        text = parts["v6"] or parts["v4"]
    try:
        # A zone (fe80::1%eth0) has a meaning only on the proxy's machine.
        address = ip_address(text.partition("%")[0])
    except ValueError:
        return None
    # A dual-stack socket reports a.b.c.d as ::ffff:a.b.c.d.
    return getattr(address, "ipv4_mapped", None) or address
