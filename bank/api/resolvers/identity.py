"""Users and sessions."""

from typing import Any

from tartiflette import Resolver

from bank.accounts.cached import account_tag, owner_tag
from bank.accounts.reads import accounts_of
from bank.api.resolvers.accounts import shape_account
from bank.api.resolvers.shapes import Shape, shape_errors, shape_refusal
from bank.api.schema import SCHEMA_NAME
from bank.api.scope import RequestScope
from bank.errors import Unauthenticated
from bank.identity.profile import User, find_user
from bank.identity.register import Register, register_user
from bank.identity.sessions import TokenPair
from bank.ledger.model import Refusal


def _shape_user(user: User) -> Shape:
    return {
        "id": str(user.id),
        "email": user.email,
        "fullName": user.full_name,
        "cpf": user.cpf,
        "role": user.role,
        "createdAt": user.created_at,
        "user": user,
    }


def _shape_tokens(result: TokenPair | Refusal) -> Shape:
    if isinstance(result, Refusal):
        return shape_refusal(result, ("tokens",))
    tokens = {
        "accessToken": result.access_token,
        "accessTokenExpiresAt": result.access_token_expires_at,
        "refreshToken": result.refresh_token,
        "refreshTokenExpiresAt": result.refresh_token_expires_at,
    }
    return {"tokens": tokens, "userErrors": []}


@Resolver("Query.me", schema_name=SCHEMA_NAME)
async def resolve_me(_parent: Any, _arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Return the caller's profile."""
    caller = scope.require_caller()
    user = await find_user(scope.snapshot, caller.user_id)
    if user is None:
        raise Unauthenticated("There is no such user any more.")
    scope.made_from(owner_tag(user.id, user.version))
    return _shape_user(user)


@Resolver("User.accounts", schema_name=SCHEMA_NAME)
async def resolve_accounts(parent: Shape, _arguments: Shape, scope: RequestScope, _info: Any) -> list[Shape]:
    """Return every account of a user, all as of one instant."""
    accounts = await accounts_of(scope.snapshot, parent["user"].id)
    for account in accounts:
        scope.made_from(account_tag(account))
    return [shape_account(account) for account in accounts]


@Resolver("Mutation.register", schema_name=SCHEMA_NAME)
async def resolve_register(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Register a customer."""
    given, bank = arguments["input"], scope.bank
    command = Register(
        email=given["email"], full_name=given["fullName"], cpf=given["cpf"], password=given["password"]
    )  # fmt: skip
    result = await register_user(bank.work, bank.witness, bank.passwords, command)
    if isinstance(result, Refusal):
        return {"user": None, "userErrors": shape_errors(result)}
    return {"user": _shape_user(result), "userErrors": []}


@Resolver("Mutation.login", schema_name=SCHEMA_NAME)
async def resolve_login(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Begin a session."""
    given = arguments["input"]
    return _shape_tokens(await scope.bank.sessions.log_in(given["email"], given["password"]))


@Resolver("Mutation.refreshSession", schema_name=SCHEMA_NAME)
async def resolve_refresh_session(_parent: Any, arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Trade a refresh token."""
    return _shape_tokens(await scope.bank.sessions.refresh(arguments["input"]["refreshToken"]))


@Resolver("Mutation.logout", schema_name=SCHEMA_NAME)
async def resolve_logout(_parent: Any, _arguments: Shape, scope: RequestScope, _info: Any) -> Shape:
    """Close the caller's session."""
    await scope.bank.sessions.close(scope.require_caller())
    return {"closed": True}
