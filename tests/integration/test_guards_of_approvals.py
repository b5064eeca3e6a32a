"""The database refuses approvals by one person, second decisions, and changes of what was asked for."""

from collections.abc import AsyncIterator
from typing import Any

import asyncpg
import pytest

from bank.database.connection import ROLE

ASKER, DECIDER, ACCOUNT = (f"'00000000-0000-7000-8000-0000000000{number:02}'" for number in (1, 2, 3))
ASKED = (
    "insert into approvals"
    " (id, kind, account_id, amount_minor, currency, requested_by, requested_at, expires_at, status)"
    f" values (gen_random_uuid(), 'WITHDRAWAL', {ACCOUNT}, 6000000, 'BRL', {ASKER}, now(), now(), 'PENDING')"
)
APPROVED = (
    "update approvals set status = 'APPROVED', decided_by = {by}, decided_at = now(), transaction_id = {moved},"
    " refusal_code = {code}, refusal_message = {code}"
)
MOVED = "'00000000-0000-7000-8000-000000000099'"
BY_TWO = APPROVED.format(by=DECIDER, moved=MOVED, code="null")


@pytest.fixture(params=["owner", ROLE])
async def connection(request: pytest.FixtureRequest, database_url: str) -> AsyncIterator[Any]:
    """A connection of the database's owner, and one with the role of the bank, with one pending request."""
    settings = {} if request.param == "owner" else {"role": ROLE}
    connection = await asyncpg.connect(database_url, server_settings=settings)
    await connection.execute(ASKED)
    yield connection
    await connection.close()


@pytest.mark.parametrize(
    "statement",
    [
        APPROVED.format(by=ASKER, moved=MOVED, code="null"),
        APPROVED.format(by="null", moved=MOVED, code="null"),
        APPROVED.format(by=DECIDER, moved="null", code="null"),
        APPROVED.format(by=DECIDER, moved=MOVED, code="'ACCOUNT_FROZEN'"),
        f"update approvals set status = 'REJECTED', decided_by = {DECIDER}, decided_at = now()",
        f"update approvals set status = 'EXPIRED', decided_by = {DECIDER}, decided_at = now()",
        f"update approvals set status = 'REJECTED', decided_by = {DECIDER}, decided_at = now(), reason = 'readable'",
    ],
)
async def test_an_end_that_is_not_whole_is_refused(connection: Any, statement: str) -> None:
    with pytest.raises(asyncpg.CheckViolationError):
        await connection.execute(statement)
    assert await connection.fetchval("select status from approvals") == "PENDING"


@pytest.mark.parametrize(
    "statement",
    [
        BY_TWO,
        "update approvals set amount_minor = 1",
        "update approvals set status = 'PENDING', decided_by = null, decided_at = null, transaction_id = null",
    ],
)
async def test_a_decided_request_does_not_change(connection: Any, statement: str) -> None:
    await connection.execute(BY_TWO)
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute(statement)


@pytest.mark.parametrize("change", ["amount_minor = 1", "requested_by = gen_random_uuid()", "expires_at = 'infinity'"])
async def test_a_decision_changes_nothing_of_the_request(connection: Any, change: str) -> None:
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute(f"{BY_TWO}, {change}")
    with pytest.raises(asyncpg.RestrictViolationError):
        await connection.execute(f"update approvals set {change}")


async def test_one_transaction_is_of_one_approval(connection: Any) -> None:
    await connection.execute(BY_TWO)
    await connection.execute(ASKED)
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(f"{BY_TWO} where status = 'PENDING'")


async def test_requests_are_kept(connection: Any) -> None:
    for statement in ("delete from approvals", "truncate approvals"):
        with pytest.raises((asyncpg.RestrictViolationError, asyncpg.InsufficientPrivilegeError)):
            await connection.execute(statement)


async def test_an_account_has_one_pending_request_for_limits(connection: Any) -> None:
    limits = ASKED.replace("'WITHDRAWAL'", "'ACCOUNT_LIMITS'").replace("6000000, 'BRL'", "null, null")
    await connection.execute(limits)
    with pytest.raises(asyncpg.UniqueViolationError):
        await connection.execute(limits)
