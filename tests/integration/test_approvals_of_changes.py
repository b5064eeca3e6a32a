"""Limits above the bank's and roles change only if a second person, an administrator, approves; requests expire."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest

from bank.approvals.expire import expire_once
from bank.approvals.reads import queries
from bank.database import pool
from bank.ledger.approval_policy import Approval, expired
from bank.ledger.approvals import change_approval
from tests.integration.api import RunningBank, serving, settings_for
from tests.integration.customers import Person, brl
from tests.integration.encryption import plain_rows
from tests.integration.payers import SetClock, connected, waits_for_a_lock
from tests.integration.staff import Staffed, member_of_staff, with_staff

RAISED = "2000000.00"


@pytest.fixture
async def staffed(running_bank: RunningBank) -> Staffed:
    return await with_staff(running_bank)


async def _limits(person: Person) -> tuple[str, str]:
    limits = (await person.read("limits { perTransfer { amount } perDay { amount } }"))["limits"]
    return limits["perTransfer"]["amount"], limits["perDay"]["amount"]


async def test_a_limit_above_the_banks_waits_for_an_administrator(staffed: Staffed) -> None:
    raised = {"accountNumber": staffed.ana.number, "perTransfer": brl(RAISED)}
    approval = await staffed.asked("setAccountLimits", **raised)
    assert (approval["kind"], approval["perTransfer"]["amount"], approval["perDay"]) == ("ACCOUNT_LIMITS", RAISED, None)
    assert await _limits(staffed.ana) == ("1000000.00", "5000000.00")
    # The same request is the same; another one waits for it.
    assert (await staffed.asked("setAccountLimits", **raised))["id"] == approval["id"]
    refused = await staffed.operator.refused("setAccountLimits", **raised)
    assert refused == ("APPROVAL_PENDING", ["input", "accountNumber"])
    refused = await staffed.operator.refused("approve", approvalId=approval["id"])
    assert refused == ("FORBIDDEN", ["input", "approvalId"])
    for is_replay in (False, True):
        approved = await staffed.admin.mutate("approve", approvalId=approval["id"], key="limits")
        assert (approved["userErrors"], approved["replayed"]) == ([], is_replay)
    assert await _limits(staffed.ana) == (RAISED, "5000000.00")
    # Lower ones, and the bank's own, need nobody else.
    for limit in (brl("1999999.99"), brl("1.00"), brl("1000000.00"), None):
        payload = await staffed.asker.mutate("setAccountLimits", accountNumber=staffed.ana.number, perTransfer=limit)
        assert (payload["userErrors"], payload["approval"]) == ([], None)


async def test_limits_that_have_changed_since_the_request_stay(staffed: Staffed) -> None:
    number = {"accountNumber": staffed.ana.number}
    approval = await staffed.asked("setAccountLimits", **number, perDay=brl("6000000.00"))
    await staffed.operator.mutate("setAccountLimits", **number, perTransfer=brl("0.00"))
    approved = await staffed.admin.mutate("approve", approvalId=approval["id"])
    assert approved["approval"]["refusal"]["code"] == "LIMITS_CHANGED"
    assert await _limits(staffed.ana) == ("0.00", "5000000.00")


async def test_no_administrator_decides_about_the_limits_of_their_own_account(staffed: Staffed) -> None:
    approval = await staffed.asked("setAccountLimits", accountNumber=staffed.admin.number, perDay=brl("6000000.00"))
    assert (await staffed.admin.refused("approve", approvalId=approval["id"]))[0] == "OWN_ACCOUNT"


async def test_two_administrators_change_a_role(staffed: Staffed) -> None:
    bank = staffed.bank
    second = await member_of_staff(bank, "bea", "ADMIN")
    carl = await bank.client.person(email="carl@example.com")
    given = {"email": " Carl@Example.com", "role": "ADMIN"}
    approval = (await staffed.admin.mutate("changeRole", **given))["approval"]
    assert (approval["kind"], approval["role"], approval["oldRole"]) == ("ROLE", "ADMIN", "CUSTOMER")
    assert (await staffed.admin.mutate("changeRole", **given))["approval"]["id"] == approval["id"]
    assert (await second.refused("changeRole", **given))[0] == "APPROVAL_PENDING"
    about = {"approvalId": approval["id"]}
    assert (await staffed.admin.refused("approve", **about))[0] == "OWN_REQUEST"
    assert (await staffed.operator.refused("approve", **about))[0] == "FORBIDDEN"
    replies = await asyncio.gather(*[second.mutate("approve", **about, key=f"{number}") for number in range(10)])
    codes = [reply["userErrors"][0]["code"] for reply in replies if reply["userErrors"]]
    assert codes == ["ALREADY_DECIDED"] * 9
    # The old tokens are closed, and the new ones have the new role.
    assert (await carl.run("Me")).code == "UNAUTHENTICATED"
    carl = await bank.client.login("carl@example.com")
    assert (await carl.run("Me")).data["me"]["role"] == "ADMIN"
    assert (await staffed.admin.mutate("changeRole", **given))["approval"] is None
    async with bank.bank.database.connection() as connection:
        events = await connection.fetch("select user_id from event_store where event_type = 'UserRoleChangedEvent'")
    assert [str(row["user_id"]) for row in events].count(approval["requestedBy"]) == 1


async def test_nobody_decides_about_their_own_role(staffed: Staffed) -> None:
    second = await member_of_staff(staffed.bank, "bea", "ADMIN")
    approval = (await staffed.admin.mutate("changeRole", email="bea@example.com", role="OPERATOR"))["approval"]
    for mutation, more in (("approve", {}), ("reject", {"reason": "No."})):
        assert (await second.refused(mutation, approvalId=approval["id"], **more))[0] == "OWN_REQUEST"


async def test_a_role_that_has_changed_since_the_request_stays(staffed: Staffed) -> None:
    second = await member_of_staff(staffed.bank, "bea", "ADMIN")
    approval = (await staffed.admin.mutate("changeRole", email="asker@example.com", role="ADMIN"))["approval"]
    await member_of_staff_again(staffed, "asker@example.com", "CUSTOMER")
    approved = (await second.mutate("approve", approvalId=approval["id"]))["approval"]
    assert (approved["status"], approved["refusal"]["code"]) == ("APPROVED", "ROLE_CHANGED")


async def member_of_staff_again(staffed: Staffed, email: str, role: str) -> None:
    """Change the role on the command line, without an approval."""
    from bank.identity.roles import change_role

    await change_role(staffed.bank.bank.uow_factory, email=email, role=role)


async def test_requests_for_roles_that_cannot_be_are_refused(staffed: Staffed) -> None:
    for email in ("nobody@example.com", "no address"):
        refused = await staffed.admin.refused("changeRole", email=email, role="ADMIN")
        assert refused == ("USER_NOT_FOUND", ["input", "email"])
    reply = await staffed.operator.client.run("ChangeRole", input={"email": "asker@example.com", "role": "ADMIN"})
    assert reply.code == "FORBIDDEN"
    async with staffed.bank.bank.database.connection() as connection:
        await connection.execute(
            "update users set cpf = null, cpf_digest = null where id = (select user_id from accounts where id = $1)",
            staffed.operator.id,
        )
    refused = await staffed.admin.refused("changeRole", email="olga@example.com", role="CUSTOMER")
    assert refused == ("INVALID_INPUT", ["input", "role"])


async def test_an_expired_request_is_refused_before_and_after_the_loop_ends_it(
    staffed: Staffed, monkeypatch: pytest.MonkeyPatch
) -> None:
    bank = staffed.bank.bank
    money, limits = await staffed.withdrawal(key="car"), {"accountNumber": staffed.ana.number, "perDay": brl("6e6")}
    limits["perDay"] = brl("6000000.00")
    first = await staffed.asked("setAccountLimits", **limits)
    later = bank.clock.now() + timedelta(hours=24, seconds=1)
    monkeypatch.setattr(bank.clock, "now", lambda: later)
    async with bank.database.connection() as connection:
        sessions = "update sessions set expires_at = expires_at + interval '9 days'"
        await connection.execute(sessions)
    people = [await staffed.bank.client.login(f"{name}@example.com") for name in ("ada", "asker")]
    admin, asker = [Person(client, {}) for client in people]
    assert (await admin.refused("approve", approvalId=money["id"]))[0] == "APPROVAL_EXPIRED"
    assert (await admin.client.run("PendingApprovals")).data["pendingApprovals"]["nodes"] == []
    # A new request replaces the expired one.
    again = await asker.mutate("setAccountLimits", **limits)
    assert again["approval"]["id"] != first["id"]
    while await expire_once(bank.uow_factory):
        pass
    assert (await admin.refused("approve", approvalId=money["id"]))[0] == "APPROVAL_EXPIRED"
    given: dict[str, Any] = {"accountNumber": staffed.ana.number, "amount": brl("60000.00"), "key": "car"}
    assert await asker.refused("withdraw", **given) == ("APPROVAL_EXPIRED", None)
    assert await staffed.events("%Expired%") == [("ApprovalExpiredEvent", None)] * 2


async def test_two_workers_expire_a_request_once(staffed: Staffed, monkeypatch: pytest.MonkeyPatch) -> None:
    bank = staffed.bank.bank
    for _ in range(3):
        await staffed.withdrawal()
    later: datetime = bank.clock.now() + timedelta(days=2)
    monkeypatch.setattr(bank.clock, "now", lambda: later)
    await asyncio.gather(*[expire_once(bank.uow_factory) for _ in range(4)])
    assert len(await staffed.events("%Expired%")) == 3


async def test_pending_requests_are_pages_and_the_look_is_on_record(staffed: Staffed) -> None:
    asked = [(await staffed.withdrawal(f"{60_000 + number}.00"))["id"] for number in range(5)]
    seen: list[str] = []
    after = None
    while True:
        reply = await staffed.operator.client.run("PendingApprovals", first=2, after=after)
        page = reply.data["pendingApprovals"]
        seen += [edge["node"]["id"] for edge in page["edges"]]
        if not page["pageInfo"]["hasNextPage"]:
            break
        after = page["pageInfo"]["endCursor"]
    assert seen == asked
    await staffed.operator.client.run("Approval", id=asked[0])
    assert (await staffed.operator.client.run("PendingApprovals", after="no cursor")).code == "BAD_INPUT"
    await staffed.bank.caught_up()
    async with staffed.bank.bank.database.connection() as connection:
        rows = await connection.fetch("select entity_id::text, new_values from audit_logs where action = 'READ'")
    queries = [json.loads(row["new_values"])["query"] for row in rows]
    assert queries.count("pendingApprovals") == 3
    assert asked[0] in [row["entity_id"] for row in rows]


async def test_the_audit_names_both_people_and_the_texts_are_encrypted(staffed: Staffed) -> None:
    approval = await staffed.withdrawal(description="for a secret car")
    await staffed.operator.mutate("reject", approvalId=approval["id"], reason="A secret reason.")
    await staffed.bank.caught_up()
    read = (
        "select new_values, event_data, audit_logs.user_id::text from audit_logs"
        " join event_store on position = event_position where entity_id = $1 order by number"
    )
    async with staffed.bank.bank.database.connection() as connection:
        stored = [str(dict(row)) for row in await connection.fetch(read, approval["id"])]
        stored += [str(dict(row)) for row in await connection.fetch("select * from approvals")]
        plain = await plain_rows(connection, staffed.bank.bank.cipher, read, approval["id"])
    assert "secret" not in " ".join(stored)
    requested, rejected = [json.loads(row["new_values"]) for row in plain]
    assert requested["description"] == "for a secret car"
    assert rejected["reason"] == "A secret reason."
    assert (rejected["requested_by"], plain[1]["user_id"]) == (approval["requestedBy"], rejected["initiated_by"])
    assert rejected["requested_by"] != rejected["initiated_by"]


async def test_a_new_request_waits_for_the_expiry_of_the_one_before(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SetClock()
    monkeypatch.setattr(pool, "IDLE_BOUND", "select")  # the transaction below waits for a login
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        staffed = await with_staff(bank)
        raised = {"accountNumber": staffed.ana.number, "perTransfer": brl(RAISED)}
        old = await staffed.asked("setAccountLimits", **raised)
        async with bank.bank.uow_factory.begin() as uow:
            # As the loop of another worker does at the moment of the new request.
            later = clock.now() + timedelta(hours=25)
            [row] = [row async for row in queries.lock_expired(uow.connection, now=later, max_rows=1)]
            clock.moment = later
            await change_approval(uow, expired(Approval(**row), now=later))
            asker = Person(await bank.client.login("asker@example.com"), {})
            again = asyncio.create_task(asker.mutate("setAccountLimits", **raised))
            async with connected(database_url) as owner:
                await waits_for_a_lock(owner)
        payload = await again
        assert payload["userErrors"] == []
        assert payload["approval"]["id"] != old["id"]
        assert len(await staffed.events("%Expired%")) == 1
