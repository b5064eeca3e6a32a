"""One request of every kind, for tests of faults that must harm none of them."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from validate_docbr import CPF

from bank.identity.roles import change_role
from tests.integration.api import PASSWORD, Client, Reply, RunningBank
from tests.integration.authenticator import begin_enrolment, enrol

NO_CACHE = {"Cache-Control": "no-cache"}
MONEY = {"amount": "1.00", "currency": "BRL"}

Ask = Callable[[], Awaitable[Reply]]


class EveryRequest:
    """A customer and an operator. `round` makes the objects of the next requests, and returns the requests by name."""

    def __init__(self, bank: RunningBank) -> None:
        self._bank = bank
        self._rounds = 0
        self._person = self._staff = self._admin = bank.client
        self._email = "everything@example.com"
        self._first: dict[str, Any] = {}

    async def next_requests(self) -> Mapping[str, Ask]:
        """Make accounts, holds and a session. Returns one request of each kind, each of which can succeed once."""
        self._rounds += 1
        if self._rounds == 1:
            self._person, self._staff = await self._bank.client.person(email=self._email), await self._bank.staff()
            await self._bank.client.person(email="admin@example.com")
            await change_role(self._bank.bank.uow_factory, email="admin@example.com", role="ADMIN")
            self._admin = await self._bank.client.login("admin@example.com")
            self._first = await self._person.account("first")
            await self._staff.deposit(self._first["number"], "1000.00", "prepared")
        nobody, person, staff, first, key = self._bank.client, self._person, self._staff, self._first, f"{self._rounds}"
        other, empty = await person.account(f"other {key}"), await person.account(f"empty {key}")
        way = {"fromAccountId": first["id"], "toAccountNumber": other["number"], "amount": MONEY}
        login = {"email": self._email, "password": PASSWORD}
        tokens = (await nobody.run("Login", input=login)).data["login"]["tokens"]
        session = Client(person.http, person.url, tokens["accessToken"])
        visitor = await nobody.person(email=f"visitor{key}@example.com")
        [listed] = (await visitor.run("Sessions")).data["sessions"]
        again = await nobody.login(f"visitor{key}@example.com")
        mover, beginner = await nobody.person(email=f"mover{key}@example.com"), await nobody.person()
        waiting = await begin_enrolment(self._bank, beginner)
        twofold, another = await nobody.person(email=f"twofold{key}@example.com"), await nobody.person()
        authenticator, ending = await enrol(self._bank, twofold), await enrol(self._bank, another)
        holds = []
        for name in ("captured", "released"):
            reply = await person.run("AuthorizeHold", input={"idempotencyKey": f"{name} {key}", **way})
            holds.append(reply.data["authorizeHold"]["hold"]["id"])
        moved = (await person.transfer(first["id"], other["number"], "1.00", f"moved {key}")).data["transfer"]
        email = f"everything{key}@example.com"
        registered = {"email": email, "fullName": "Ana Lima", "cpf": CPF().generate(), "password": PASSWORD}
        operator = {"accountNumber": other["number"]}
        of_first = {"id": first["id"], "headers": NO_CACHE}
        past = {"at": "2026-01-01T00:00:00Z", "from": "2026-01-01T00:00:00Z", "to": "2026-01-02T00:00:00Z"}

        def asking(client: Client, name: str, **given: Any) -> Ask:
            return lambda: client.run(name, **given)

        def keyed(client: Client, name: str, **given: Any) -> Ask:
            return asking(client, name, input={"idempotencyKey": f"{name} {key}", **given})

        return {
            "register": asking(nobody, "Register", input=registered),
            "log in": asking(nobody, "Login", input=login),
            "log in wrongly": asking(nobody, "Login", input={**login, "password": "not this one, I fear"}),
            "refresh": asking(nobody, "RefreshSession", input={"refreshToken": tokens["refreshToken"]}),
            "refresh wrongly": asking(nobody, "RefreshSession", input={"refreshToken": "x" * 43}),
            "log out": asking(session, "Logout"),
            "unlock": asking(staff, "UnlockLogin", input={"email": self._email}),
            "list sessions": asking(again, "Sessions", headers=NO_CACHE),
            "revoke": asking(again, "RevokeSession", id=listed["id"]),
            "revoke others": asking(again, "RevokeOtherSessions"),
            "log in with a code": asking(nobody, "Login", input={
                "email": f"twofold{key}@example.com", "password": PASSWORD,
                "secondFactorCode": authenticator.recovery_codes[0],
            }),
            "enrol": asking(mover, "EnrolSecondFactor", input={"password": PASSWORD}),
            "confirm": asking(beginner, "ConfirmSecondFactor", input={"code": waiting.code()}),
            "verify": asking(twofold, "VerifySecondFactor", input={"code": authenticator.recovery_codes[2]}),
            "limit step-up": asking(another, "SetStepUpLimit", input={"amount": MONEY}),
            "renew codes": asking(twofold, "RenewRecoveryCodes", input={"code": authenticator.recovery_codes[1]}),
            "disable": asking(another, "DisableSecondFactor", input={
                "password": PASSWORD, "code": ending.recovery_codes[0]
            }),
            "change password": asking(again, "ChangePassword", input={
                "currentPassword": PASSWORD, "newPassword": "nine green lamps in winter"
            }),
            "change email": asking(mover, "ChangeEmail", input={
                "newEmail": f"moved{key}@example.com", "password": PASSWORD
            }),
            "change phone": asking(mover, "ChangePhone", input={"phone": "+5511987654321", "password": PASSWORD}),
            "open": keyed(person, "OpenAccount", currency="BRL"),
            "close": asking(person, "CloseAccount", input={"accountId": empty["id"]}),
            "set limits": asking(staff, "SetAccountLimits", input={**operator, "perTransfer": MONEY, "perDay": MONEY}),
            "freeze": asking(staff, "FreezeAccount", input={**operator, "reason": "asked"}),
            "unfreeze": asking(staff, "UnfreezeAccount", input={**operator, "reason": "asked"}),
            "deposit": keyed(staff, "Deposit", accountNumber=first["number"], amount=MONEY),
            "withdraw": keyed(staff, "Withdraw", accountNumber=first["number"], amount=MONEY),
            "transfer": keyed(person, "Transfer", **way),
            "transfer many": keyed(person, "TransferBatch", atomic=False, transfers=[
                {"fromAccountId": first["id"], "toAccountNumber": other["number"], "amount": MONEY}
            ]),
            "hold": keyed(person, "AuthorizeHold", **way),
            "capture": keyed(person, "CaptureHold", holdId=holds[0]),
            "release": keyed(person, "ReleaseHold", holdId=holds[1]),
            "reverse": keyed(staff, "ReverseTransaction", transactionId=moved["transaction"]["id"]),
            "me": asking(person, "Me", headers=NO_CACHE),
            "balance": asking(person, "AccountBalance", **of_first),
            "history": asking(person, "AccountHistory", first=5, **of_first),
            "holds": asking(person, "AccountHolds", **of_first),
            "statement": asking(person, "AccountStatement", **of_first, **past),
            "audit": asking(self._admin, "AuditLogs", limit=5, headers=NO_CACHE),
        }  # fmt: skip
