"""Middleware of every request, in this order: correlation, client address, authentication, rate limits."""

from aiohttp.typedefs import Middleware

from bank.api.middleware.authentication import authenticate
from bank.api.middleware.client_address import resolve_client_address
from bank.api.middleware.correlation import correlate
from bank.api.middleware.rate_limits import limit_rates
from bank.app import Bank


def middlewares(bank: Bank) -> tuple[Middleware, ...]:
    """Return the middlewares in the order in which a request passes them."""
    return (
        correlate,
        resolve_client_address(bank.settings.trusted_proxies),
        authenticate(bank.tokens),
        limit_rates(bank.rate_limiter, bank.responses),
    )
