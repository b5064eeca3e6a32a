"""Books of one day that the bank wrote, with rows of every kind, and a function that tampers with them."""

from decimal import Decimal
from typing import Any

from bank.approvals.expire import expire_once
from bank.encryption.master_key import MasterKey
from bank.identity.roles import change_role
from bank.identity.signing_keys import rotate_signing_key
from bank.notifications.edit_template import set_template
from tests.integration.api import PASSWORD, RunningBank, serving, settings_for
from tests.integration.authenticator import enrol
from tests.integration.customers import brl, register_customers
from tests.integration.staff import member_of_staff


async def bank_for_a_day(bank: RunningBank) -> None:
    """Execute every operation that writes to the database."""
    customers = await register_customers(bank)
    ana, bia, staff = customers.ana, customers.bia, customers.staff
    to_bia = {"fromAccountId": ana.id, "toAccountNumber": bia.number}
    sent = await ana.mutate("transfer", **to_bia, amount=brl("10.00"))
    assert (await ana.refused("transfer", **to_bia, amount=brl("10000.00")))[0] == "INSUFFICIENT_FUNDS"
    for amount in ("3.00", "7.00"):
        given = {"transactionId": sent["transaction"]["id"], "reason": "x", "amount": brl(amount)}
        assert (await staff.mutate("reverseTransaction", **given))["userErrors"] == []
    for end in ("captureHold", "releaseHold", None):
        made = await ana.mutate("authorizeHold", **to_bia, amount=brl("5.00"), description="a table")
        if end:
            assert (await bia.mutate(end, holdId=made["hold"]["id"]))["userErrors"] == []
    assert (await bia.mutate("withdraw", accountNumber=bia.number, amount=brl("2.00")))["userErrors"] == []
    await ana.mutate("transferBatch", transfers=[{**to_bia, "amount": brl("1.00")}] * 3, atomic=True)
    await _change_states(bank, customers.staff, bia.number, bia.id)
    await _come_and_go(bank)
    await _ask_and_decide(bank)
    master_key = MasterKey(bank.bank.settings.master_key.get_secret_value())
    for _ in range(2):
        await rotate_signing_key(bank.bank.uow_factory, master_key, token_life=bank.bank.settings.access_token_life)
    welcome = {"subject": "Hello {{ name }}", "short": "Hello.", "text": "Hello {{ name }}.", "html": "<p>Hello.</p>"}
    assert (await set_template(bank.bank.uow_factory, "welcome", "en", welcome))[1]
    leaver = await bank.client.person()
    assert (await leaver.run("EraseMyData", input={})).data["eraseMyData"]["erased"]
    await bank.caught_up()
    async with bank.bank.database.connection() as connection:
        await connection.execute(
            "insert into dead_letters (subscriber, event_position, error, attempts, redelivered_at)"
            " values ('balance_cache', 1, 'enc1.1.AAAA', 1, now())"
        )


async def _change_states(bank: RunningBank, staff: Any, number: str, id_: str) -> None:
    """Freeze, unfreeze and limit one account; open two others, of which one is frozen and one is closed."""
    for change in ("freezeAccount", "unfreezeAccount"):
        assert (await staff.mutate(change, accountNumber=number, reason="a visit"))["userErrors"] == []
    limits = {"perTransfer": brl("50.00"), "perDay": brl("90.00")}
    assert (await staff.mutate("setAccountLimits", accountNumber=number, **limits))["userErrors"] == []
    person = await bank.client.person()
    frozen, closed = await person.account("frozen"), await person.account("closed")
    assert (await staff.mutate("freezeAccount", accountNumber=frozen["number"], reason="x"))["userErrors"] == []
    document = "mutation M($input: CloseAccountInput!) { closeAccount(input: $input) { userErrors { code } } }"
    reply = await person.send(document, {"input": {"accountId": closed["id"]}})
    assert reply.data["closeAccount"]["userErrors"] == []


async def _come_and_go(bank: RunningBank) -> None:
    """Refresh one session, end one in each way, let one be stolen; make a user staff and a customer again."""
    email = "traveller@example.com"
    await (await bank.client.person(email=email)).run("Logout")
    here, there = await bank.client.login(email), await bank.client.login(email)
    for session in (await here.run("Sessions")).data["sessions"]:
        if not session["isCurrent"]:
            assert (await here.run("RevokeSession", id=session["id"])).data["revokeSession"]["revoked"]
    assert (await there.run("Me")).code == "UNAUTHENTICATED"
    for is_stolen in (False, True):
        login = await bank.client.run("Login", input={"email": email, "password": PASSWORD})
        first = login.data["login"]["tokens"]["refreshToken"]
        refreshed = await bank.client.run("RefreshSession", input={"refreshToken": first})
        if is_stolen:
            successor = refreshed.data["refreshSession"]["tokens"]["refreshToken"]
            for token in (successor, first):
                await bank.client.run("RefreshSession", input={"refreshToken": token})
    changes = {"newPassword": "nine green lamps in winter", "currentPassword": PASSWORD}
    assert (await here.run("ChangePassword", input=changes)).data["changePassword"]["changed"]
    moved = {"newEmail": "arrived@example.com", "password": changes["newPassword"]}
    assert (await here.run("ChangeEmail", input=moved)).data["changeEmail"]["changed"]
    called = {"phone": "+5511987654321", "password": changes["newPassword"]}
    assert (await here.run("ChangePhone", input=called)).data["changePhone"]["changed"]
    email = moved["newEmail"]
    authenticator = await enrol(bank, here, password=changes["newPassword"])
    given = {"email": email, "password": changes["newPassword"], "secondFactorCode": authenticator.recovery_codes[0]}
    assert (await bank.client.run("Login", input=given)).data["login"]["tokens"]
    for limit in (brl("100.00"), brl("20.00")):
        assert (await here.run("SetStepUpLimit", input={"amount": limit})).data["setStepUpLimit"]["accessToken"]
    for role in ("ADMIN", "CUSTOMER"):
        assert await change_role(bank.bank.uow_factory, email=email, role=role)


async def _ask_and_decide(bank: RunningBank) -> None:
    """Ask for something of every kind that needs an approval, and end the requests in every way."""
    asker, admin = [await member_of_staff(bank, name, "ADMIN") for name in ("asker", "decider")]
    account = await (await bank.client.person()).account("much")
    number, much = {"accountNumber": account["number"]}, brl("60000.00")

    async def ask(mutation: str, **given: Any) -> dict[str, Any]:
        payload = await asker.mutate(mutation, **given)
        assert payload["approval"], payload
        approval: dict[str, Any] = payload["approval"]
        return approval

    async def approve(approval: dict[str, Any]) -> Any:
        approved = await admin.mutate("approve", approvalId=approval["id"])
        assert approved["userErrors"] == []
        return approved["approval"]

    await approve(await ask("deposit", **number, amount=brl("60001.00")))
    deposit = await approve(await ask("deposit", **number, amount=much, description="a car"))
    withdrawals = [await ask("withdraw", **number, amount=much) for _ in range(2)]
    await approve(await ask("reverseTransaction", transactionId=deposit["transaction"]["id"], reason="a mistake"))
    refusals = [(await approve(withdrawal))["refusal"] for withdrawal in withdrawals]
    assert [refusal and refusal["code"] for refusal in refusals] == [None, "INSUFFICIENT_FUNDS"]
    rejected = await ask("deposit", **number, amount=much)
    await admin.mutate("reject", approvalId=rejected["id"], reason="No.")
    await approve(await ask("setAccountLimits", **number, perTransfer=brl("2000000.00"), perDay=brl("9000000.00")))
    await bank.client.person(email="helper@example.com")
    for role in ("OPERATOR", "CUSTOMER"):
        await approve(await ask("changeRole", email="helper@example.com", role=role))
    await ask("deposit", **number, amount=much)
    now = bank.bank.clock.now() + bank.bank.terms.approval_life
    bank.bank.clock.now = lambda: now  # type: ignore[method-assign]
    assert await expire_once(bank.bank.uow_factory) == 1
    del bank.bank.clock.now
    await ask("setAccountLimits", **number, perDay=brl("9500000.00"))


async def write_books(database_url: str, redis_url: str) -> None:
    settings = settings_for(database_url, redis_url, transfer_fee=Decimal("0.10"), withdrawal_fee=Decimal("0.20"))
    async with serving(settings) as bank:
        await bank_for_a_day(bank)


async def tamper(connection: Any, *statements: str) -> None:
    """Execute statements as a superuser, without triggers."""
    async with connection.transaction():
        await connection.execute("set local session_replication_role = replica")
        for statement in statements:
            assert not (await connection.execute(statement)).endswith(" 0"), f"nothing was changed by: {statement}"
