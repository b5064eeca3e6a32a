"""Each change of an account in each status: its answer, its event, and the write to the cache before the answer."""

import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import pytest
from msgspec import UNSET

from bank.accounts.administration import AccountAdministration
from bank.clock import SystemClock
from bank.events.unit_of_work import UnitOfWorkFactory
from bank.ledger.model import Account
from bank.refusal import Refusal
from tests.integration.books import TERMS, Books
from tests.integration.encryption import cipher_for, origins_for, plain_rows

STAFF = UUID(int=7)


class RecordingCache:
    """A cache that records the accounts it receives."""

    def __init__(self) -> None:
        self.accounts: list[Account] = []

    async def write_through(self, accounts: Sequence[Account]) -> None:
        self.accounts += accounts


class AccountChanges(AccountAdministration):
    """The changes of accounts, with access to their events and to the cache."""

    def __init__(self, books: Books, cache: RecordingCache) -> None:
        uow_factory = UnitOfWorkFactory(books.database, books.bus, SystemClock(), origins_for(books.database))
        super().__init__(uow_factory, cache, cipher_for(books.database), TERMS)  # type: ignore[arg-type]  # a double
        self._books = books
        self._begun_at: int | None = None
        self.cache = cache

    async def new_events(self) -> list[tuple[str, UUID | None, dict[str, Any]]]:
        """Return type, aggregate and data of the events since the last call."""
        rows = await plain_rows(
            self._books.connection,
            self._cipher,
            "select position, event_type, aggregate_id, event_data from event_store where position > $1 order by 1",
            self._begun_at or 0,
        )
        self._begun_at = max([row["position"] for row in rows], default=self._begun_at)
        return [(row["event_type"], row["aggregate_id"], json.loads(row["event_data"])) for row in rows]


@asynccontextmanager
async def open_changes(books: Books) -> AsyncIterator[AccountChanges]:
    changes = AccountChanges(books, RecordingCache())
    await changes.new_events()
    yield changes


async def _do(changes: AccountChanges, books: Books, action: str, account_id: UUID, **more: Any) -> Account | Refusal:
    if action == "close":
        return await changes.close(account_id, **{"owner_id": books.owner_id, "by": books.owner_id, **more})
    change = changes.freeze if action == "freeze" else changes.unfreeze
    return await change(
        account_id, **{"owner_id": books.owner_id, "reason": "why", "by": STAFF, "role": "OPERATOR", **more}
    )


MOVES = {
    ("ACTIVE", "freeze"): ("FROZEN", "AccountFrozenEvent"),
    ("FROZEN", "freeze"): ("FROZEN", None),
    ("CLOSED", "freeze"): "ACCOUNT_CLOSED",
    ("ACTIVE", "unfreeze"): ("ACTIVE", None),
    ("FROZEN", "unfreeze"): ("ACTIVE", "AccountUnfrozenEvent"),
    ("CLOSED", "unfreeze"): "ACCOUNT_CLOSED",
    ("ACTIVE", "close"): ("CLOSED", "AccountClosedEvent"),
    ("FROZEN", "close"): "ACCOUNT_FROZEN",
    ("CLOSED", "close"): ("CLOSED", None),
}
NAMES = {"freeze": "freezeAccount", "unfreeze": "unfreezeAccount", "close": "closeAccount"}


@pytest.mark.parametrize(("status", "action"), MOVES)
async def test_each_change_in_each_status_has_its_result(books: Books, status: str, action: str) -> None:
    account_id = await books.open_account(status=status)
    place = ("input", "accountId" if action == "close" else "accountNumber")
    by = books.owner_id if action == "close" else STAFF
    before = dict(await books.connection.fetchrow("select * from accounts where id = $1", account_id))
    async with open_changes(books) as changes:
        result, told = await _do(changes, books, action, account_id), await changes.new_events()
        after = dict(await books.connection.fetchrow("select * from accounts where id = $1", account_id))
        expected = MOVES[status, action]
        if isinstance(expected, str):
            assert isinstance(result, Refusal)
            assert (result.code, result.field) == (expected, place)
            [(event_type, about, data)] = told
            assert (event_type, about, data["action"]) == ("ActionRefusedEvent", account_id, NAMES[action])
            assert (data["code"], data["initiated_by"]) == (expected, str(by))
            assert (data["entity_type"], data["entity_id"]) == ("Account", str(account_id))
            assert (after, changes.cache.accounts) == (before, [])
            return
        assert isinstance(result, Account)
        assert (result.id, result.status) == (account_id, expected[0])
        # This also holds without a change, because a retry must repeat a write that did not reach the cache.
        assert changes.cache.accounts == [result]
        if expected[1] is None:
            assert (told, after) == ([], before)
            return
        [(event_type, about, data)] = told
        assert (event_type, about, data["initiated_by"]) == (expected[1], account_id, str(by))
        assert data.get("reason") == (None if action == "close" else "why")
        assert after["status"] == expected[0]
        assert result.revision == after["revision"] == before["revision"] + 1
        assert result.updated_at == after["updated_at"] > before["created_at"]


@pytest.mark.parametrize("action", ["freeze", "unfreeze"])
@pytest.mark.parametrize("reason", ["", " ", "x" * 141, "two\nlines"])
async def test_a_reason_must_be_readable_and_is_validated_first(books: Books, action: str, reason: str) -> None:
    account_id = await books.open_account(status="CLOSED")
    async with open_changes(books) as changes:
        refused = await _do(changes, books, action, account_id, reason=reason)
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.field) == ("INVALID_INPUT", ("input", "reason"))
        assert (await changes.new_events())[0][2]["code"] == "INVALID_INPUT"


async def test_a_reason_may_have_the_length_of_a_line(books: Books) -> None:
    async with open_changes(books) as changes:
        frozen = await _do(changes, books, "freeze", await books.open_account(), reason="x" * 140)
        assert isinstance(frozen, Account)


@pytest.mark.parametrize("action", ["freeze", "unfreeze", "close"])
async def test_a_change_of_a_missing_account_is_refused_and_recorded_without_an_id(books: Books, action: str) -> None:
    cash = await books.connection.fetchval("select id from accounts where kind = 'CASH'")
    async with open_changes(books) as changes:
        for account_id in (uuid4(), cash):
            refused = await _do(changes, books, action, account_id, **({"owner_id": None} if action == "close" else {}))
            assert isinstance(refused, Refusal)
            place = "accountId" if action == "close" else "accountNumber"
            assert (refused.code, refused.field) == ("ACCOUNT_NOT_FOUND", ("input", place))
            [(event_type, _, data)] = await changes.new_events()
            assert (event_type, data["action"], data["entity_id"]) == ("ActionRefusedEvent", NAMES[action], None)


async def test_closing_the_account_of_another_user_is_refused_as_if_it_did_not_exist(books: Books) -> None:
    account_id = await books.open_account()
    async with open_changes(books) as changes:
        refused = await changes.close(account_id, owner_id=STAFF, by=STAFF)
        assert refused == await changes.close(uuid4(), owner_id=STAFF, by=STAFF)
        assert isinstance(refused, Refusal)
        assert refused.code == "ACCOUNT_NOT_FOUND"
        closed = await changes.close(account_id, owner_id=None, by=STAFF)
        assert isinstance(closed, Account)
        assert closed.status == "CLOSED"


async def test_an_account_with_money_is_not_closed(books: Books) -> None:
    account_id = await books.open_account(balance_minor=1)
    async with open_changes(books) as changes:
        refused = await _do(changes, books, "close", account_id)
        assert isinstance(refused, Refusal)
        assert (refused.code, refused.field) == ("ACCOUNT_NOT_EMPTY", ("input", "accountId"))


async def test_limits_are_set_kept_and_removed_and_the_event_has_old_and_new_values(books: Books) -> None:
    account_id = await books.open_account()
    names = ("transfer_limit_minor", "daily_limit_minor", "old_transfer_limit_minor", "old_daily_limit_minor")
    async with open_changes(books) as changes:
        for given, expected in (
            ({"transfer_minor": 5, "daily_minor": UNSET}, (5, None, None, None)),
            ({"transfer_minor": UNSET, "daily_minor": 9}, (5, 9, 5, None)),
            ({"transfer_minor": 0, "daily_minor": 9}, (0, 9, 5, 9)),
            ({"transfer_minor": None, "daily_minor": UNSET}, (None, 9, 0, 9)),
        ):
            limited = await changes.set_limits(account_id, **given, by=STAFF)
            assert isinstance(limited, Account)
            assert (limited.transfer_limit_minor, limited.daily_limit_minor) == expected[:2]
            [(event_type, about, data)] = await changes.new_events()
            assert (event_type, about, data["initiated_by"]) == ("AccountLimitsChangedEvent", account_id, str(STAFF))
            assert tuple(data.get(name) for name in names) == expected
            assert changes.cache.accounts[-1] == limited
        same = await changes.set_limits(account_id, transfer_minor=None, daily_minor=9, by=STAFF)
        assert (await changes.new_events(), same) == ([], changes.cache.accounts[-2])
        nobody = await changes.set_limits(uuid4(), transfer_minor=None, daily_minor=9, by=STAFF)
        assert isinstance(nobody, Refusal)
        assert (nobody.code, nobody.field) == ("ACCOUNT_NOT_FOUND", ("input", "accountNumber"))
        assert (await changes.new_events())[0][2]["action"] == "setAccountLimits"
