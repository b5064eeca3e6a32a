"""Rules for whole objects, in addition to the rules for single fields: lists, days, tokens, errors."""

import base64
import json
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from simulation.judge.database_state import EntryRow
from simulation.judge.fields import pages
from simulation.judge.fields.books import instant
from simulation.judge.fields.node import AnswerNode, Sentences
from simulation.judge.fields.rules import minor_of
from simulation.model.answers import OpenedAccount
from simulation.model.operations import Kind

ACCESS_MINUTES, REFRESH_DAYS = 15, 30
"""The lifetimes of tokens in a bank with its default settings."""

HOLDS_SHOWN = 100
"""The largest number of holds in an answer."""

FIELDS_OF_CODE: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "INSUFFICIENT_FUNDS": frozenset({"amount"}),
        "INVALID_AMOUNT": frozenset({"amount"}),
        "LIMIT_EXCEEDED": frozenset({"amount"}),
        "CURRENCY_MISMATCH": frozenset({"amount", "currency"}),
        "SAME_ACCOUNT": frozenset({"toAccountNumber"}),
        "IDEMPOTENCY_KEY_REUSED": frozenset({"idempotencyKey"}),
        "TRANSACTION_NOT_FOUND": frozenset({"transactionId"}),
        "NOT_REVERSIBLE": frozenset({"transactionId"}),
        "REVERSAL_EXCEEDS_ORIGINAL": frozenset({"amount"}),
        "HOLD_NOT_FOUND": frozenset({"holdId"}),
        "HOLD_ENDED": frozenset({"holdId"}),
        "CAPTURE_EXCEEDS_HOLD": frozenset({"amount"}),
        "ACCOUNT_NOT_EMPTY": frozenset({"accountId"}),
        "INVALID_REFRESH_TOKEN": frozenset({"refreshToken"}),
    }
)
"""The field of the input that a refusal must name, by code."""


def user(node: AnswerNode) -> Sentences:
    """Require all accounts whose opening the person got acknowledged, and no account of others, oldest first."""
    if "accounts" not in node.shown:
        return
    evidence, shown = node.books.evidence, [account["id"] for account in node.shown["accounts"]]
    if shown != sorted(shown):
        yield "the accounts are not in the order of their opening"
    for id_ in shown:
        account = node.books.row("accounts", id_)
        if account is not None and account["user_id"] != node.shown.get("id"):
            yield f"account {id_} is listed, but belongs to another person"
    expected = {
        attempt.answer.account_id
        for attempt in evidence.attempts
        if isinstance(attempt.answer, OpenedAccount)
        and attempt.operation.person == node.attempt.operation.person
        and attempt.ended_ns <= node.attempt.invoked_ns
    }
    if missing := expected - set(shown):
        yield f"account {min(missing)} is not listed, and was opened before"


def account(node: AnswerNode) -> Sentences:
    """Compare the account with the requested one, and its holds and days with the books."""
    about = node.attempt.sent.account_id
    if node.attempt.operation.kind is not Kind.ME and about is not None and node.shown.get("id") != about:
        yield f"account {node.shown.get('id')} is shown, but {about} was requested"
    if "holds" in node.shown:
        yield from _holds(node)
    if "days" in node.shown:
        yield from _days(node)


def _holds(node: AnswerNode) -> Sentences:
    shown = [hold["id"] for hold in node.shown["holds"]]
    on = [h for h in node.books.database.holds.values() if h.account_id == node.shown["id"]]
    if shown != sorted(shown, reverse=True):
        yield "the holds are not the latest first"
    if unknown := set(shown) - {hold.id for hold in on}:
        yield f"hold {min(unknown)} is shown, but does not belong to the account"
    holds = node.books.evidence.possible_holds
    expected = holds.acknowledged_before(node.shown["id"], node.attempt.invoked_ns)
    if len(shown) < HOLDS_SHOWN and (missing := expected - set(shown)):
        yield f"hold {min(missing)} is not shown, but was made before"


def _days(node: AnswerNode) -> Sentences:
    """Compare the days with the sums of the entries up to any of them, because the projection may lag behind."""
    entries = node.books.database.entries.get(node.shown["id"], ())
    newest = len(entries)
    if (timeline := node.books.timeline(node.shown["id"])) is not None:
        newest = min(newest, timeline.newest_possible(node.attempt.ended_ns))
    shown = [_day(day) for day in node.shown["days"]]
    if not any(shown == _added_up(entries[:count]) for count in range(newest, -1, -1)):
        yield f"the days are not what the account's entries add up to, all of them or all until one: {shown}"


def _day(day: Mapping[str, Any]) -> tuple[object, ...]:
    amounts = (minor_of(day[name]) for name in ("debited", "credited", "closingBalance"))
    debited, credited, closing = amounts
    return day["day"], day["debits"], debited, day["credits"], credited, closing


def _added_up(entries: Any) -> list[tuple[object, ...]]:
    by_day: dict[str, list[EntryRow]] = {}
    for entry in entries:
        by_day.setdefault(entry.day, []).append(entry)
    found: list[tuple[object, ...]] = []
    for day, rows in sorted(by_day.items()):
        out = [-row.amount_minor for row in rows if row.amount_minor < 0]
        into = [row.amount_minor for row in rows if row.amount_minor > 0]
        found.append((day, len(out), sum(out), len(into), sum(into), rows[-1].balance_after_minor))
    return found


def tokens(node: AnswerNode) -> Sentences:
    """Require that tokens have the lifetime of the settings, and that the claims of the access token agree."""
    ended_us = node.books.moment_us(node.attempt.ended_ns)
    began_us = node.books.moment_us(node.attempt.invoked_ns)
    for name, life_s in (("access", ACCESS_MINUTES * 60), ("refresh", REFRESH_DAYS * 86_400)):
        ends_us = instant(node.shown[f"{name}TokenExpiresAt"]).timestamp() * 1e6 - life_s * 1e6
        if not began_us - SLACK_US <= ends_us <= ended_us + SLACK_US:
            yield f"the {name} token does not end {life_s} seconds after it was given"
    claims = _claims(node.shown["accessToken"])
    owner = node.books.evidence.user_ids.get(node.attempt.operation.person)
    if owner is not None and claims.get("sub") != owner:
        yield "the access token belongs to another person"
    if claims.get("exp") != int(instant(node.shown["accessTokenExpiresAt"]).timestamp()):
        yield "the access token does not end when the answer says"
    role = (node.books.row("users", owner) or {}).get("role")
    if role is not None and claims.get("role", role) != role:
        yield f"the access token is a {claims.get('role')}'s, and the person is a {role}"
    if (node.books.row("sessions", claims.get("sid")) or {}).get("user_id") != claims.get("sub"):
        yield "the access token is of no session of its owner's"


SLACK_US = 50_000
"""The permitted drift between two clocks of one machine, whose difference is measured at the end of the run."""


def _claims(token: str) -> Mapping[str, Any]:
    """Return the claims of a token. The signature is not verified, because the bank does this."""
    part = token.split(".")[1]
    found: Mapping[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return found


def user_error(node: AnswerNode) -> Sentences:
    """Require a message that is a sentence, and the invalid field by the name in the request."""
    message, path, code = (node.shown.get(name) for name in ("message", "field", "code"))
    if not isinstance(message, str) or not message.endswith("."):
        yield f"the message of {code} is no sentence: {message!r}"
    if path is None:
        return
    named = [name for name in path if not name.isdigit() and name not in {"input", "transfers"}]
    due = FIELDS_OF_CODE.get(str(code))
    if path[0] != "input" or (due is not None and (not named or named[0] not in due)):
        yield f"{code} is said to be the fault of {'.'.join(path)}"


Shape = Callable[[AnswerNode], Sentences]

SHAPES: Mapping[str, Shape] = MappingProxyType(
    {
        "User": user,
        "Account": account,
        "AccountTransactionConnection": pages.connection,
        "AuditLogConnection": pages.audit_page,
        "Tokens": tokens,
        "UserError": user_error,
    }
)
"""The rules for whole objects, by type."""
