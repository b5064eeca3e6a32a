"""An account of another user and one that does not exist have the same answer and the same work behind it."""

from collections.abc import Callable
from typing import Any

import asyncpg
import pytest

from bank.identifiers import uuid7
from tests.integration.api import Client, RunningBank


@pytest.fixture
def statements(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the texts of the statements that the connections of the test have run, without heartbeats."""
    seen: list[str] = []

    def noting(run: Callable[..., Any]) -> Callable[..., Any]:
        async def run_and_note(self: Any, query: str, *arguments: Any, **named: Any) -> Any:
            seen.append(query)
            return await run(self, query, *arguments, **named)

        return run_and_note

    for name in ("execute", "executemany", "fetch", "fetchrow", "fetchval"):
        monkeypatch.setattr(asyncpg.Connection, name, noting(getattr(asyncpg.Connection, name)))
    return seen


async def _behind(statements: list[str], client: Client, account_id: str, **headers: str) -> list[str]:
    """Return the answer to a query for an account, and the statements that it ran."""
    statements.clear()
    reply = await client.run("AccountBalance", id=account_id, headers=headers)
    # Reads of accounts and records of events count; statements of background loops do not.
    own = [text for text in statements if "from accounts" in text or "into event_store" in text]
    return [str(reply.data), *sorted(text for text in own if "audit_logs" not in text)]


@pytest.mark.parametrize("has_redis", [True, False])
@pytest.mark.parametrize("headers", [{}, {"Cache-Control": "no-cache"}])
async def test_the_account_of_another_user_takes_the_same_statements_as_a_missing_one(
    running_bank: RunningBank,
    statements: list[str],
    headers: dict[str, str],
    has_redis: bool,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def nothing(_account_id: object) -> None:
        return None

    if not has_redis:
        monkeypatch.setattr(running_bank.bank.accounts, "find", nothing)
    ana, bia = await running_bank.client.person(), await running_bank.client.person()
    account = await ana.account()
    await ana.balance(account["id"])
    await running_bank.caught_up()
    first = await _behind(statements, bia, account["id"], **headers)
    nobodys = await _behind(statements, bia, str(uuid7()), **headers)
    anothers = await _behind(statements, bia, account["id"], **headers)
    assert first[0] == nobodys[0] == anothers[0] == "{'account': None}"
    assert anothers == nobodys
