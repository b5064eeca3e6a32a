"""Second factors: enrolment, confirmation, proof, renewal of recovery codes, and the end."""

from typing import Any

from bank.accounts.cached import owner_tag
from bank.accounts.limits import read_limit
from bank.api.authorization import Access, resolver
from bank.api.resolver_context import ResolverContext
from bank.api.serializers import JsonObject, serialize_money, serialize_refusal, serialize_user_errors
from bank.identity.disable_second_factor import disable_second_factor
from bank.identity.enrol_second_factor import confirm_second_factor, enrol_second_factor
from bank.identity.renew_recovery_codes import renew_recovery_codes
from bank.identity.set_step_up_limit import set_step_up_limit
from bank.identity.verify_second_factor import verify_second_factor
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


@resolver("Mutation.verifySecondFactor", Access.CALLER)
async def resolve_verify_second_factor(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Prove the second factor in the caller's session."""
    bank = context.bank
    result = await verify_second_factor(bank.sessions, context.authenticated_caller, arguments["input"]["code"])
    if isinstance(result, Refusal):
        return serialize_refusal(result, ("accessToken", "accessTokenExpiresAt", "freshUntil"))
    return {
        "accessToken": result.access_token.token,
        "accessTokenExpiresAt": result.access_token.expires_at,
        "freshUntil": result.proved_at + bank.step_up.fresh_for,
        "userErrors": [],
    }


@resolver("Mutation.setStepUpLimit", Access.CALLER)
async def resolve_set_step_up_limit(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Set or remove the caller's own limit for payments without a fresh second factor."""
    bank, caller = context.bank, context.authenticated_caller
    names = ("stepUpAbove", "accessToken", "accessTokenExpiresAt")
    above_minor = read_limit(arguments["input"].get("amount"), "amount")
    if isinstance(above_minor, Refusal):
        context.record_refusal("setStepUpLimit", above_minor.code)
        return serialize_refusal(above_minor, names)
    result = await set_step_up_limit(bank.sessions, bank.step_up, caller, above_minor)
    if isinstance(result, Refusal):
        return serialize_refusal(result, names)
    if result.version is not None:
        # Before the response, so that the next read of `me` shows the new limit (R11).
        await bank.values.put([owner_tag(caller.user_id, result.version)])
    return {
        "stepUpAbove": serialize_money(result.above_minor, "BRL"),
        "accessToken": result.access_token.token,
        "accessTokenExpiresAt": result.access_token.expires_at,
        "userErrors": [],
    }
