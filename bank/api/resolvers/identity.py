"""Users and sessions."""

from typing import Any

from bank.accounts.cached import account_tag, owner_tag
from bank.accounts.reads import accounts_of
from bank.api.authorization import Access, resolver
from bank.api.resolver_context import ResolverContext
from bank.api.resolvers.accounts import serialize_account
from bank.api.serializers import JsonObject, read_id, serialize_money, serialize_refusal, serialize_user_errors
from bank.errors import Unauthenticated
from bank.identity.change_email import ChangeEmail, change_email
from bank.identity.change_password import ChangePassword, change_password
from bank.identity.change_phone import ChangePhone, change_phone
from bank.identity.list_sessions import list_sessions
from bank.identity.log_in import LoginTokens, log_in
from bank.identity.log_out import log_out
from bank.identity.profile import User, find_user
from bank.identity.refresh import refresh_session
from bank.identity.register import TAKEN, Register, register_user
from bank.identity.revoke import revoke_other_sessions, revoke_session
from bank.identity.step_up import StepUpPolicy
from bank.identity.token_pair import TokenPair
from bank.identity.unlock import unlock_login
from bank.refusal import Refusal


def _serialize_user(user: User, policy: StepUpPolicy) -> JsonObject:
    return {
        "id": str(user.id),
        "email": user.email,
        "fullName": user.full_name,
        "cpf": user.cpf,
        "phone": user.phone,
        "role": user.role,
        "createdAt": user.created_at,
        "stepUpAbove": serialize_money(policy.limit_minor(user.step_up_above_minor), "BRL"),
        "user": user,
    }


def _serialize_tokens(result: TokenPair | Refusal) -> JsonObject:
    if isinstance(result, Refusal):
        return serialize_refusal(result, ("tokens",))
    tokens = {
        "accessToken": result.access_token,
        "accessTokenExpiresAt": result.access_token_expires_at,
        "refreshToken": result.refresh_token,
        "refreshTokenExpiresAt": result.refresh_token_expires_at,
    }
    return {"tokens": tokens, "userErrors": []}


@resolver("Query.me", Access.CALLER)
async def resolve_me(_parent: Any, _arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Return the caller's profile."""
    caller = context.authenticated_caller
    user = await find_user(context.snapshot, context.bank.cipher, caller.user_id)
    if user is None:
        raise Unauthenticated("There is no such user any more.")
    context.depends_on(owner_tag(user.id, user.version))
    return _serialize_user(user, context.bank.step_up)


@resolver("User.accounts", Access.PARENT)
async def resolve_accounts(
    parent: JsonObject, _arguments: JsonObject, context: ResolverContext, _info: Any
) -> list[JsonObject]:
    """Return every account of a user, as of one instant."""
    accounts = await accounts_of(context.snapshot, parent["user"].id)
    for account in accounts:
        context.depends_on(account_tag(account))
    return [serialize_account(account) for account in accounts]


@resolver("Mutation.register", Access.ANYONE)
async def resolve_register(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Register a customer."""
    given, bank = arguments["input"], context.bank
    command = Register(
        email=given["email"], full_name=given["fullName"], cpf=given["cpf"], password=given["password"]
    )  # fmt: skip
    result = await register_user(bank.uow_factory, bank.recorder, bank.passwords, command)
    if isinstance(result, Refusal) and result.code not in TAKEN:
        return {"accepted": False, "userErrors": serialize_user_errors(result)}
    # The same answer whether the address or the CPF is a customer's, because anybody may ask (OWASP ASVS 5.0, 6.3.8).
    return {"accepted": True, "userErrors": []}


@resolver("Mutation.login", Access.ANYONE)
async def resolve_login(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Log in: begin a session."""
    given = arguments["input"]
    result = await log_in(
        context.bank.sessions,
        given["email"],
        given["password"],
        code=given.get("secondFactorCode"),
        device_token=given.get("deviceToken"),
    )
    device_token = result.device_token if isinstance(result, LoginTokens) else None
    return {**_serialize_tokens(result), "deviceToken": device_token}


@resolver("Mutation.refreshSession", Access.ANYONE)
async def resolve_refresh_session(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Exchange a refresh token for a new pair of tokens."""
    return _serialize_tokens(await refresh_session(context.bank.sessions, arguments["input"]["refreshToken"]))


@resolver("Query.sessions", Access.CALLER)
async def resolve_sessions(
    _parent: Any, _arguments: JsonObject, context: ResolverContext, _info: Any
) -> list[JsonObject]:
    """Return the open sessions of the caller."""
    caller = context.authenticated_caller
    found = await list_sessions(context.snapshot, caller.user_id, now=context.asked_at)
    origins = [text for session in found for text in (session.ip_address, session.user_agent)]
    texts = await context.decrypt(origins, "Session.ipAddress", "Session.userAgent")
    return [
        {
            "id": str(session.id),
            "userAgent": texts.get(session.user_agent),
            "ipAddress": texts.get(session.ip_address),
            "createdAt": session.created_at,
            "lastUsedAt": session.last_used_at,
            "expiresAt": session.expires_at,
            "isCurrent": session.id == caller.session_id,
        }
        for session in found
    ]


@resolver("Mutation.revokeSession", Access.CALLER)
async def resolve_revoke_session(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """End one session of the caller."""
    refusal = await revoke_session(context.bank.sessions, context.authenticated_caller, read_id(arguments["id"]))
    if refusal is not None:
        return {"revoked": False, "userErrors": serialize_user_errors(refusal, ("id",))}
    return {"revoked": True, "userErrors": []}


@resolver("Mutation.revokeOtherSessions", Access.CALLER)
async def resolve_revoke_other_sessions(
    _parent: Any, _arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """End all sessions of the caller except for the one of this request."""
    return {"revokedCount": await revoke_other_sessions(context.bank.sessions, context.authenticated_caller)}


@resolver("Mutation.changePassword", Access.CALLER)
async def resolve_change_password(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Change the caller's password."""
    given = arguments["input"]
    command = ChangePassword(
        current_password=given["currentPassword"],
        new_password=given["newPassword"],
        end_other_sessions=given["endOtherSessions"],
    )
    result = await change_password(context.bank.sessions, context.authenticated_caller, command)
    if isinstance(result, Refusal):
        return serialize_refusal(result, (), changed=False, endedSessions=0)
    return {"changed": True, "endedSessions": result, "userErrors": []}


@resolver("Mutation.changeEmail", Access.CALLER)
async def resolve_change_email(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Change the caller's e-mail address."""
    given, bank, caller = arguments["input"], context.bank, context.authenticated_caller
    command = ChangeEmail(
        new_email=given["newEmail"], password=given["password"], end_other_sessions=given["endOtherSessions"]
    )
    result = await change_email(bank.sessions, caller, command)
    if isinstance(result, Refusal):
        return serialize_refusal(result, (), changed=False, endedSessions=0)
    # Before the response, so that the next read of `me` shows the new address (R11).
    await bank.values.put([owner_tag(caller.user_id, result.version)])
    return {"changed": True, "endedSessions": result.ended_sessions, "userErrors": []}


@resolver("Mutation.changePhone", Access.CALLER)
async def resolve_change_phone(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Change or remove the caller's phone number."""
    given, bank, caller = arguments["input"], context.bank, context.authenticated_caller
    result = await change_phone(
        bank.sessions, caller, ChangePhone(phone=given.get("phone"), password=given["password"])
    )
    if isinstance(result, Refusal):
        return serialize_refusal(result, (), changed=False)
    # Before the response, so that the next read of `me` shows the new number (R11).
    await bank.values.put([owner_tag(caller.user_id, result)])
    return {"changed": True, "userErrors": []}


@resolver("Mutation.logout", Access.CALLER)
async def resolve_logout(_parent: Any, _arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """Close the caller's session."""
    await log_out(context.bank.sessions, context.authenticated_caller)
    return {"closed": True}


@resolver("Mutation.unlockLogin", Access.STAFF)
async def resolve_unlock_login(_parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any) -> JsonObject:
    """End the delay after failed logins of a user; staff only."""
    bank, email = context.bank, arguments["input"]["email"]
    secret = bank.settings.token_secret.get_secret_value()
    refusal = await unlock_login(bank.uow_factory, bank.recorder, secret, email, by=context.authenticated_caller)
    if refusal is not None:
        return {"unlocked": False, "userErrors": serialize_user_errors(refusal)}
    return {"unlocked": True, "userErrors": []}
