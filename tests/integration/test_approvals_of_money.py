"""A large posting by staff for a customer waits for a second member of staff, and is made exactly once."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import asyncpg
import pytest

from bank.invariants.verify import verify
from tests.integration.api import RunningBank
from tests.integration.authenticator import enrol
from tests.integration.customers import brl
from tests.integration.staff import MUCH, Staffed, with_staff

BALANCE = "500100.00"


@pytest.fixture
async def staffed(running_bank: RunningBank) -> Staffed:
    return await with_staff(running_bank)


@asynccontextmanager
async def owner_connection(database_url: str) -> AsyncIterator[Any]:
    """A connection that may change the schema."""
    connection = await asyncpg.connect(database_url)
    yield connection
    await connection.close()


async def _balance(staffed: Staffed) -> str:
    return (await staffed.ana.money())[0]


async def test_a_large_withdrawal_by_staff_moves_money_only_after_the_approval(staffed: Staffed) -> None:
    approval = await staffed.withdrawal(description="for a car")
    assert (approval["kind"], approval["amount"]["amount"]) == ("WITHDRAWAL", MUCH)
    assert (approval["accountNumber"], approval["description"]) == (staffed.ana.number, "for a car")
    assert approval["transaction"] is None
    assert await _balance(staffed) == BALANCE
    approved = await staffed.operator.mutate("approve", approvalId=approval["id"])
    assert (approved["userErrors"], approved["replayed"]) == ([], False)
    assert approved["approval"]["status"] == "APPROVED"
    assert approved["approval"]["transaction"]["amount"]["amount"] == MUCH
    assert approved["approval"]["requestedBy"] != approved["approval"]["decidedBy"]
    assert await _balance(staffed) == "440100.00"


async def test_the_same_key_shows_the_pending_request_and_later_its_outcome(staffed: Staffed) -> None:
    given: dict[str, Any] = {"accountNumber": staffed.ana.number, "amount": brl(MUCH), "key": "car"}
    first, second = [await staffed.asker.mutate("withdraw", **given) for _ in range(2)]
    assert (first["approval"], first["transaction"], first["replayed"]) == (second["approval"], None, False)
    assert (second["transaction"], second["replayed"], second["userErrors"]) == (None, True, [])
    approved = await staffed.operator.mutate("approve", approvalId=first["approval"]["id"])
    third = await staffed.asker.mutate("withdraw", **given)
    assert third["transaction"]["id"] == approved["approval"]["transaction"]["id"]
    assert (third["balanceAfter"]["amount"], third["fee"]["amount"]) == ("440100.00", "0.00")
    assert (third["approval"]["status"], third["userErrors"]) == ("APPROVED", [])


async def test_the_same_key_shows_a_rejection_to_the_requester(staffed: Staffed) -> None:
    approval = await staffed.withdrawal(key="car")
    for _ in range(2):
        rejected = await staffed.operator.mutate("reject", approvalId=approval["id"], reason="Ask Ana first.")
        assert (rejected["approval"]["status"], rejected["approval"]["reason"]) == ("REJECTED", "Ask Ana first.")
    given = {"accountNumber": staffed.ana.number, "amount": brl(MUCH), "key": "car"}
    assert await staffed.asker.refused("withdraw", **given) == ("APPROVAL_REJECTED", None)
    refused = await staffed.admin.refused("approve", approvalId=approval["id"])
    assert refused == ("ALREADY_DECIDED", ["input", "approvalId"])
    assert await staffed.events("%Rejected%") == [("ApprovalRejectedEvent", rejected["approval"]["decidedBy"])]
    assert await _balance(staffed) == BALANCE


async def test_small_amounts_and_the_money_of_the_caller_need_no_approval(staffed: Staffed) -> None:
    below = {"accountNumber": staffed.ana.number, "amount": brl("50000.00")}
    for mutation in ("withdraw", "deposit"):
        payload = await staffed.asker.mutate(mutation, **below)
        assert (payload["userErrors"], payload["approval"]) == ([], None)
    # Ana is a customer, and the asker uses their own account as one: with a second factor instead (step-up).
    for person in (staffed.ana, staffed.asker):
        await enrol(staffed.bank, person.client)
    own = await staffed.ana.mutate("withdraw", accountNumber=staffed.ana.number, amount=brl(MUCH))
    assert (own["userErrors"], own["approval"]) == ([], None)
    paid = await staffed.ana.mutate(
        "transfer", fromAccountId=staffed.ana.id, toAccountNumber=staffed.asker.number, amount=brl("130000.00")
    )
    own = await staffed.asker.mutate("withdraw", accountNumber=staffed.asker.number, amount=brl(MUCH))
    assert (own["userErrors"], own["approval"]) == ([], None)
    given = {"transactionId": paid["transaction"]["id"], "amount": brl(MUCH)}
    returned = await staffed.asker.mutate("reverseTransaction", **given)
    assert (returned["userErrors"], returned["approval"]) == ([], None)


async def test_a_large_deposit_and_a_large_reversal_wait_too(staffed: Staffed) -> None:
    deposit = await staffed.asked("deposit", accountNumber=staffed.bia.number, amount=brl("999999999.99"))
    assert (await staffed.bia.money())[0] == "0.00"
    assert (await staffed.admin.mutate("approve", approvalId=deposit["id"]))["userErrors"] == []
    assert (await staffed.bia.money())[0] == "999999999.99"
    await enrol(staffed.bank, staffed.ana.client)
    paid = await staffed.ana.mutate(
        "transfer", fromAccountId=staffed.ana.id, toAccountNumber=staffed.bia.number, amount=brl(MUCH)
    )
    reversal = await staffed.asked("reverseTransaction", transactionId=paid["transaction"]["id"], reason="a mistake")
    assert (reversal["kind"], reversal["transactionId"]) == ("REVERSAL", paid["transaction"]["id"])
    approved = await staffed.operator.mutate("approve", approvalId=reversal["id"])
    assert approved["approval"]["transaction"]["relatedTransactionId"] == paid["transaction"]["id"]
    assert await _balance(staffed) == BALANCE


async def test_an_impossible_posting_is_refused_at_once(staffed: Staffed) -> None:
    much = {"accountNumber": staffed.ana.number, "amount": brl("900000.00")}
    assert (await staffed.asker.refused("withdraw", **much))[0] == "INSUFFICIENT_FUNDS"
    await staffed.admin.mutate("freezeAccount", accountNumber=staffed.bia.number, reason="A court asks.")
    deposit = {"accountNumber": staffed.bia.number, "amount": brl(MUCH)}
    assert (await staffed.asker.refused("deposit", **deposit))[0] == "ACCOUNT_FROZEN"
    assert len(await staffed.events("%Requested%")) == 1


async def test_nobody_decides_about_their_own_request_or_account(staffed: Staffed) -> None:
    approval = await staffed.withdrawal()
    about = {"approvalId": approval["id"]}
    assert await staffed.asker.refused("approve", **about) == ("OWN_REQUEST", ["input", "approvalId"])
    refused = await staffed.asker.refused("reject", **about, reason="I was wrong.")
    assert refused == ("OWN_REQUEST", ["input", "approvalId"])
    for person in (staffed.operator, staffed.admin):
        deposit = await staffed.asked("deposit", accountNumber=person.number, amount=brl(MUCH))
        assert (await person.refused("approve", approvalId=deposit["id"]))[0] == "OWN_ACCOUNT"
        assert (await person.refused("reject", approvalId=deposit["id"], reason="Mine."))[0] == "OWN_ACCOUNT"
    # Both sides of a reversal.
    deposited = await staffed.operator.mutate("approve", approvalId=deposit["id"])
    assert deposited["userErrors"] == []
    await enrol(staffed.bank, staffed.admin.client)
    paid = await staffed.admin.mutate(
        "transfer", fromAccountId=staffed.admin.id, toAccountNumber=staffed.bia.number, amount=brl(MUCH)
    )
    back = await staffed.asked("reverseTransaction", transactionId=paid["transaction"]["id"])
    assert (await staffed.admin.refused("approve", approvalId=back["id"]))[0] == "OWN_ACCOUNT"
    assert await _balance(staffed) == BALANCE


async def test_the_roles_of_today_count_and_not_those_of_the_tokens(staffed: Staffed) -> None:
    first, second = await staffed.withdrawal(), await staffed.withdrawal()
    async with staffed.bank.bank.database.connection() as connection:
        # Only the row, so that the sessions of both stay open.
        demote = "update users set role = $2 where id = $1"
        await connection.execute(demote, first["requestedBy"], "CUSTOMER")
        refused = await staffed.operator.refused("approve", approvalId=first["id"])
        assert refused == ("REQUESTER_NOT_ALLOWED", ["input", "approvalId"])
        await connection.execute(demote, first["requestedBy"], "OPERATOR")
        done = await staffed.operator.mutate("approve", approvalId=first["id"])
        await connection.execute(demote, done["approval"]["decidedBy"], "CUSTOMER")
    refused = await staffed.operator.refused("approve", approvalId=second["id"])
    assert refused == ("FORBIDDEN", ["input", "approvalId"])
    assert (await staffed.operator.refused("reject", approvalId=second["id"], reason="x"))[0] == "FORBIDDEN"


async def test_the_rules_of_the_moment_of_the_approval_decide(staffed: Staffed) -> None:
    asked = [await staffed.withdrawal("300000.00", key=f"{number}") for number in range(3)]
    done, uncovered, frozen = asked
    assert (await staffed.operator.mutate("approve", approvalId=done["id"]))["approval"]["refusal"] is None
    second = (await staffed.operator.mutate("approve", approvalId=uncovered["id"]))["approval"]
    assert (second["status"], second["refusal"]["code"]) == ("APPROVED", "INSUFFICIENT_FUNDS")
    await staffed.admin.mutate("freezeAccount", accountNumber=staffed.ana.number, reason="A court asks.")
    third = (await staffed.operator.mutate("approve", approvalId=frozen["id"]))["approval"]
    assert (third["refusal"]["code"], third["transaction"]) == ("ACCOUNT_FROZEN", None)
    # The requester sees it under the key of the request.
    given = {"accountNumber": staffed.ana.number, "amount": brl("300000.00")}
    assert (await staffed.asker.refused("withdraw", **given, key="1"))[0] == "INSUFFICIENT_FUNDS"
    assert (await staffed.asker.refused("withdraw", **given, key="2"))[0] == "ACCOUNT_FROZEN"
    assert await _balance(staffed) == "200100.00"


@pytest.mark.parametrize("has_one_key", [False, True])
async def test_fifty_approvals_at_once_move_the_money_once(staffed: Staffed, has_one_key: bool) -> None:
    approval = await staffed.withdrawal()
    transactions, events = await staffed.count("transactions"), len(await staffed.events("%Approved%"))
    people = [staffed.operator, staffed.admin] if not has_one_key else [staffed.operator]
    replies = await asyncio.gather(*[
        people[number % len(people)].mutate(
            "approve", approvalId=approval["id"], key="one" if has_one_key else f"key-of-{number}"
        )
        for number in range(50)
    ])  # fmt: skip
    codes = [reply["userErrors"][0]["code"] if reply["userErrors"] else "OK" for reply in replies]
    assert codes.count("OK") == (50 if has_one_key else 1)
    assert set(codes) <= {"OK", "ALREADY_DECIDED"}
    assert [reply["replayed"] for reply in replies].count(False) == (1 if has_one_key else 50)
    assert await staffed.count("transactions") == transactions + 1
    assert len(await staffed.events("%Approved%")) == events + 1
    assert await _balance(staffed) == "440100.00"


async def test_approvals_and_rejections_at_once_agree(staffed: Staffed) -> None:
    for _ in range(5):
        approval = await staffed.withdrawal("50001.00")
        before, about = await staffed.count("transactions"), {"approvalId": approval["id"]}
        await asyncio.gather(
            staffed.operator.mutate("approve", **about), staffed.admin.mutate("reject", **about, reason="No.")
        )
        reply = await staffed.admin.client.run("Approval", id=approval["id"])
        is_approved = reply.data["approval"]["status"] == "APPROVED"
        assert await staffed.count("transactions") == before + is_approved


async def test_an_approval_that_is_rolled_back_leaves_nothing_and_is_repeated(
    staffed: Staffed, database_url: str
) -> None:
    approval = await staffed.withdrawal()
    async with owner_connection(database_url) as connection:
        await connection.execute(
            "create function fail() returns trigger language plpgsql as"
            " $$ begin raise exception 'a bug' using errcode = 'check_violation'; end $$"
        )
        await connection.execute(
            "create trigger fail before insert on event_store for each row"
            " when (new.event_type = 'ApprovalApprovedEvent') execute function fail()"
        )
        failed = await staffed.operator.client.run(
            "Approve", input={"idempotencyKey": "again", "approvalId": approval["id"]}
        )
        assert failed.code == "INTERNAL"
        assert await _balance(staffed) == BALANCE
        pending = await staffed.operator.client.run("PendingApprovals")
        assert [node["id"] for node in pending.data["pendingApprovals"]["nodes"]] == [approval["id"]]
        await connection.execute("drop trigger fail on event_store")
        await connection.execute("drop function fail")
    again = await staffed.operator.mutate("approve", approvalId=approval["id"], key="again")
    assert (again["userErrors"], again["replayed"]) == ([], False)
    assert await _balance(staffed) == "440100.00"
    await staffed.bank.caught_up()
    assert (await verify(database_url)).findings == ()


async def test_an_unknown_request_is_not_found(staffed: Staffed) -> None:
    for unknown in ("00000000-0000-7000-8000-00000000dead", "no id"):
        about = {"approvalId": unknown}
        assert await staffed.operator.refused("approve", **about) == ("APPROVAL_NOT_FOUND", ["input", "approvalId"])
        assert (await staffed.operator.refused("reject", **about, reason="x"))[0] == "APPROVAL_NOT_FOUND"
        assert (await staffed.operator.client.run("Approval", id=unknown)).data["approval"] is None
