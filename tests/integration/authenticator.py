"""The authenticator app of a user in the tests, and the enrolment of a second factor."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

import pyotp

from tests.integration.api import PASSWORD, Client, RunningBank


@dataclass
class Authenticator:
    """An app with the secret of a user, and the recovery codes that the user has written down."""

    secret: str
    now: Callable[[], datetime]
    recovery_codes: list[str] = field(default_factory=list)

    def code(self, steps: int = 0) -> str:
        """Return the code of now, or of so many steps later. The enrolment uses the code of now."""
        return pyotp.TOTP(self.secret).generate_otp(int(self.now().timestamp()) // 30 + steps)


async def begin_enrolment(bank: RunningBank, client: Client, *, password: str = PASSWORD) -> Authenticator:
    """Return an app with a secret that the bank does not use yet."""
    payload = (await client.run("EnrolSecondFactor", input={"password": password})).data["enrolSecondFactor"]
    assert payload["userErrors"] == []
    return Authenticator(payload["secret"], bank.bank.clock.now)


async def enrol(bank: RunningBank, client: Client, *, password: str = PASSWORD) -> Authenticator:
    """Give the user of a client a second factor, and the client a token that has it."""
    authenticator = await begin_enrolment(bank, client, password=password)
    reply = await client.run("ConfirmSecondFactor", input={"code": authenticator.code()})
    payload = reply.data["confirmSecondFactor"]
    assert payload["userErrors"] == []
    client.token, authenticator.recovery_codes = payload["accessToken"], payload["recoveryCodes"]
    return authenticator
