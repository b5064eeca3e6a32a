"""Authentication of a request by its bearer token (RFC 6750); the request handler checks if the session is open."""

from dataclasses import dataclass

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware
from multidict import MultiMapping

from bank.errors import Unauthenticated
from bank.identity.tokens import AccessTokens, Caller
from bank.telemetry.context import enter_actor


@dataclass(frozen=True, slots=True)
class Authentication:
    """The result: the caller of a valid token, the error of an invalid token, or neither if there is no token."""

    caller: Caller | None = None
    error: Unauthenticated | None = None

    @property
    def attempted(self) -> bool:
        """Return whether the request has a token."""
        return self.caller is not None or self.error is not None

    def require_valid(self) -> Caller | None:
        """Return the caller, None for an anonymous request. Raises `Unauthenticated` for an invalid token."""
        if self.error is not None:
            raise self.error
        return self.caller


ANONYMOUS = Authentication()
AUTHENTICATION = web.RequestKey("authentication", Authentication)


def authenticate(
    tokens: AccessTokens,
) -> Middleware:
    """Return the middleware that verifies access tokens. It stores the error of an invalid one for the handler."""

    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        request[AUTHENTICATION] = authentication = _verify(request.headers, tokens)
        if authentication.caller is not None:
            enter_actor(authentication.caller.user_id)
        return await handler(request)

    return middleware


def _verify(headers: MultiMapping[str], tokens: AccessTokens) -> Authentication:
    token = bearer_token(headers)
    if token is None:
        return ANONYMOUS
    try:
        return Authentication(caller=tokens.verify(token))
    except Unauthenticated as error:
        return Authentication(error=error)


def bearer_token(headers: MultiMapping[str]) -> str | None:
    """Return the bearer token of a request, or None."""
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" and token.strip() else None
