"""The rights of users to their data: export and erasure."""

from typing import Any

from bank.api.authorization import Access, resolver
from bank.api.resolver_context import ResolverContext
from bank.api.serializers import JsonObject, serialize_refusal
from bank.privacy.erase import erase_person
from bank.privacy.export import API_ROWS_MAX, export_data
from bank.privacy.fresh_login import refuse_stale_login
from bank.privacy.policy import KEPT, RetentionRule
from bank.refusal import Refusal


async def _refuse_stale_login(context: ResolverContext, action: str) -> Refusal | None:
    """Return the refusal of a login that is not fresh, and record it."""
    bank = context.bank
    async with bank.database.connection() as connection:
        refusal = await refuse_stale_login(connection, context.authenticated_caller, bank.clock.now())
    if refusal is not None:
        context.record_refusal(action, refusal.code)
    return refusal


@resolver("Mutation.exportMyData", Access.CALLER)
async def resolve_export_my_data(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Return everything that the bank stores about the caller."""
    bank, caller = context.bank, context.authenticated_caller
    result = await _refuse_stale_login(context, "exportMyData") or await export_data(
        bank.database,
        bank.cipher,
        bank.recorder,
        person_id=caller.user_id,
        now=bank.clock.now(),
        by=caller.user_id,
        rows_max=API_ROWS_MAX,
    )
    if isinstance(result, Refusal):
        return serialize_refusal(result, ("document",))
    document = result.as_text() if arguments["input"]["format"] == "TEXT" else result.as_json()
    return {"document": document, "userErrors": []}


@resolver("Mutation.eraseMyData", Access.CALLER)
async def resolve_erase_my_data(
    _parent: Any, arguments: JsonObject, context: ResolverContext, _info: Any
) -> JsonObject:
    """Erase the caller."""
    bank, caller, dry_run = context.bank, context.authenticated_caller, arguments["input"]["dryRun"]
    result = await _refuse_stale_login(context, "eraseMyData") or await erase_person(
        bank.uow_factory, bank.erasures, person_id=caller.user_id, by=caller.user_id, dry_run=dry_run
    )
    if isinstance(result, Refusal):
        return serialize_refusal(result, (), erased=False, kept=[])
    await bank.marks.close(result.session_ids)
    return {"erased": not dry_run, "kept": [_serialize_kept(rule) for rule in KEPT], "userErrors": []}


def _serialize_kept(rule: RetentionRule) -> JsonObject:
    return {
        "data": rule.data, "term": rule.term, "since": rule.since, "reason": rule.reason, "source": rule.source
    }  # fmt: skip
