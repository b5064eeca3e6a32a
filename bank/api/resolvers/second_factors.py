"""Second factors: enrolment, confirmation, renewal of recovery codes, and the end."""

from typing import Any

from bank.api.authorization import Access, resolver
from bank.api.resolver_context import ResolverContext
from bank.api.serializers import JsonObject, serialize_refusal, serialize_user_errors
from bank.identity.disable_second_factor import disable_second_factor
from bank.identity.enrol_second_factor import confirm_second_factor, enrol_second_factor
from bank.identity.renew_recovery_codes import renew_recovery_codes
from bank.refusal import Refusal


@resolver("Mutation.enrolSecondFactor", Access.CALLER)
async def resolve_enrol_second_factor(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Make a secret for the caller's authenticator app."""
    given = arguments["input"]
    result = await enrol_second_factor(
        context.bank.sessions, context.authenticated_caller, given["password"], given.get("code")
    )
    if isinstance(result, Refusal):
        return serialize_refusal(result, ("secret", "otpauthUri"))
    return {"secret": result.secret, "otpauthUri": result.otpauth_uri, "userErrors": []}


@resolver("Mutation.confirmSecondFactor", Access.CALLER)
async def resolve_confirm_second_factor(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Use the secret of the caller's enrolment from now on."""
    result = await confirm_second_factor(
        context.bank.sessions, context.authenticated_caller, arguments["input"]["code"]
    )
    if isinstance(result, Refusal):
        return serialize_refusal(result, ("recoveryCodes", "accessToken", "accessTokenExpiresAt"))
    return {
        "recoveryCodes": result.recovery_codes,
        "accessToken": result.access_token.token,
        "accessTokenExpiresAt": result.access_token.expires_at,
        "userErrors": [],
    }


@resolver("Mutation.renewRecoveryCodes", Access.CALLER)
async def resolve_renew_recovery_codes(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Replace the caller's recovery codes."""
    result = await renew_recovery_codes(context.bank.sessions, context.authenticated_caller, arguments["input"]["code"])
    if isinstance(result, Refusal):
        return serialize_refusal(result, ("recoveryCodes",))
    return {"recoveryCodes": result, "userErrors": []}


@resolver("Mutation.disableSecondFactor", Access.CALLER)
async def resolve_disable_second_factor(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """End the caller's second factor."""
    given = arguments["input"]
    refusal = await disable_second_factor(
        context.bank.sessions, context.authenticated_caller, given["password"], given["code"]
    )
    if refusal is not None:
        return {"disabled": False, "userErrors": serialize_user_errors(refusal)}
    return {"disabled": True, "userErrors": []}
