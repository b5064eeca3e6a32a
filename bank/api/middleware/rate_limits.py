"""Rate limits of requests without a valid operation, so that every response of the API has the headers of its limits.

The request handler decides about operations, because it knows their number, and reads the state of the limits together
with everything else that it needs from Redis.
"""

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from bank.api.error_responses import HEADERS, error_body
from bank.cache.response_cache import ResponseCache
from bank.security.rate_limits import COSTS_OF_INVALID, RateLimiter
from bank.telemetry.context import current_context

LIMITED_PATH = "/graphql"


def limit_rates(limiter: RateLimiter, responses: ResponseCache) -> Middleware:
    """Return the middleware that counts a refused request as one read of its address."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = await handler(request)
        if request.path != LIMITED_PATH or "RateLimit" in response.headers:
            return response
        context = current_context()
        quota = limiter.request(COSTS_OF_INVALID, None, context.ip_address if context else None)
        lookup = await responses.look_up_session(None, quota.text)
        admission = limiter.decide(quota, lookup.quota)
        if admission.refused_by:
            keeps_alive = response.keep_alive is not False
            response = web.Response(status=429, body=error_body(limiter.refusal(admission)), headers=HEADERS)
            if not keeps_alive:
                response.force_close()
        response.headers.update(admission.headers)
        return response

    return middleware
