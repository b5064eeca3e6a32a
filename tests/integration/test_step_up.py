"""Step-up: a payment above the limit needs a code of the second factor from the last five minutes."""

from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

import pytest

from bank.identity.roles import change_role
from bank.invariants.verify import verify
from tests.integration.api import PASSWORD, Client, RunningBank, serving, settings_for
from tests.integration.authenticator import Authenticator, enrol
from tests.integration.customers import Person, brl
from tests.integration.payers import SetClock, keys_of

EMAIL = "ana@example.com"
REQUIRED, INVALID, MISSING = "SECOND_FACTOR_REQUIRED", "INVALID_SECOND_FACTOR", "SECOND_FACTOR_NOT_ENROLLED"
LIMIT, MUCH = "10000.00", "10000.01"
STALE = timedelta(minutes=5, seconds=1)


@pytest.fixture
def clock() -> SetClock:
    return SetClock()


@pytest.fixture
async def bank(database_url: str, redis_url: str, clock: SetClock) -> AsyncIterator[RunningBank]:
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        yield bank


@dataclass
class Payer:
    """Ana with R$ 50,000.00, her app, and Bia, whom she pays. The code of the enrolment is stale."""

    bank: RunningBank
    clock: SetClock
    ana: Person
    bia: Person
    app: Authenticator

    @property
    def to_bia(self) -> dict[str, Any]:
        return {"fromAccountId": self.ana.id, "toAccountNumber": self.bia.number}

    async def pay(self, amount: str = MUCH, key: str | None = None, *, by: Client | None = None) -> str:
        """Return the code of the refusal of a transfer, or OK, or REPLAYED."""
        person = self.ana if by is None else replace(self.ana, client=by)
        payload = await person.mutate("transfer", **self.to_bia, amount=brl(amount), key=key)
        return _result(payload)

    async def prove(self, code: str | None = None, *, by: Client | None = None) -> str:
        """Prove the second factor, use the new token from now on, and return the code of the refusal, or OK."""
        client = by or self.ana.client
        payload = await _send(client, "VerifySecondFactor", code=code or self.app.code())
        client.token = payload["accessToken"] or client.token
        return _result(payload)


@pytest.fixture
async def payer(bank: RunningBank, clock: SetClock) -> Payer:
    client = await bank.client.person(email=EMAIL)
    ana, other = Person(client, await client.account()), await bank.client.person()
    deposit = await (await bank.staff()).deposit(ana.number, "50000.00", "opening")
    assert deposit["userErrors"] == []
    app = await enrol(bank, client)
    clock.moment += STALE
    return Payer(bank, clock, ana, Person(other, await other.account()), app)


async def _send(client: Client, operation: str, **given: Any) -> Any:
    [payload] = (await client.run(operation, input=given)).data.values()
    return payload


def _result(payload: Any) -> str:
    if payload["userErrors"]:
        return str(payload["userErrors"][0]["code"])
    return "REPLAYED" if payload.get("replayed") else "OK"


async def _log_in(bank: RunningBank, code: str) -> tuple[Client, str]:
    """Return a client of a new session of Ana, and its refresh token."""
    login = await _send(bank.client, "Login", email=EMAIL, password=PASSWORD, secondFactorCode=code)
    return Client(bank.client.http, bank.client.url, login["tokens"]["accessToken"]), login["tokens"]["refreshToken"]


async def _refused_transfers(bank: RunningBank) -> float:
    """Return how many transfers without a fresh code the metrics have counted."""
    async with bank.client.http.get(f"{bank.client.url}/metrics") as response:
        lines = (await response.text()).splitlines()
    start = f'bank_refusals_total{{code="{REQUIRED}",operation="transfer"}} '
    return sum(float(line.removeprefix(start)) for line in lines if line.startswith(start))


async def test_a_transfer_above_the_limit_needs_a_fresh_code_and_the_same_key_works_after_it(payer: Payer) -> None:
    assert await payer.pay(LIMIT) == "OK"
    assert await payer.ana.refused("transfer", **payer.to_bia, amount=brl(MUCH), key="car") == (
        REQUIRED, ["input", "amount"]
    )  # fmt: skip
    assert await keys_of(payer.bank, "car") == set()
    assert await payer.prove() == "OK"
    assert await payer.pay(key="car") == "OK"
    assert await payer.pay(key="house") == "OK"
    assert (await payer.ana.money())[0] == "19999.98"
    await payer.bank.caught_up()
    assert not (await verify(payer.bank.bank.settings.database_url)).findings


async def test_a_code_is_fresh_for_five_minutes(payer: Payer) -> None:
    payload = await _send(payer.ana.client, "VerifySecondFactor", code=payer.app.code())
    assert payload["freshUntil"] == "2026-11-02T12:10:01.000000Z"
    payer.ana.client.token = payload["accessToken"]
    payer.clock.moment += STALE - timedelta(seconds=1)
    assert await payer.pay() == "OK"
    payer.clock.moment += timedelta(seconds=1)
    assert await payer.pay() == REQUIRED


async def test_a_retry_gets_its_stored_outcome_after_the_proof_is_stale(payer: Payer) -> None:
    assert await payer.prove() == "OK"
    assert await payer.pay(key="car") == "OK"
    assert await payer.pay("45000.00", key="house") == "INSUFFICIENT_FUNDS"
    payer.clock.moment += STALE
    assert await payer.pay(key="car") == "REPLAYED"
    assert await payer.pay("45000.00", key="house") == "INSUFFICIENT_FUNDS"
    assert await payer.pay("10000.02", key="car") == "IDEMPOTENCY_KEY_REUSED"
    assert await payer.pay(key="boat") == REQUIRED
    assert (await payer.ana.money())[0] == "39999.99"


async def test_the_key_of_another_user_is_no_retry(payer: Payer) -> None:
    assert _result(
        await payer.bia.mutate("withdraw", accountNumber=payer.bia.number, amount=brl(LIMIT), key="car")
    ) == ("INSUFFICIENT_FUNDS")
    assert await payer.pay(key="car") == REQUIRED


async def test_every_payment_of_a_customer_has_the_limit_and_money_received_has_none(payer: Payer) -> None:
    ana, bia = payer.ana, payer.bia
    item = {**payer.to_bia, "amount": brl("5000.01")}
    payments: list[tuple[str, dict[str, Any], str]] = [
        ("withdraw", {"accountNumber": ana.number, "amount": brl(MUCH)}, "amount"),
        ("authorizeHold", {**payer.to_bia, "amount": brl(MUCH)}, "amount"),
        ("transferBatch", {"transfers": [item, item], "atomic": True}, "transfers"),
        ("transferBatch", {"transfers": [{**item, "amount": brl(MUCH)}], "atomic": False}, "transfers"),
    ]
    for mutation, given, field in payments:
        assert await ana.refused(mutation, **given) == (REQUIRED, ["input", field])
    assert _result(await ana.mutate("transferBatch", transfers=[item], atomic=True)) == "OK"
    assert await payer.prove() == "OK"
    made = [await ana.mutate(mutation, **given) for mutation, given, _ in payments[:2]]
    assert [_result(payload) for payload in made] == ["OK", "OK"]
    assert _result(await bia.mutate("captureHold", holdId=made[1]["hold"]["id"])) == "OK"
    sent = await ana.mutate("transfer", **payer.to_bia, amount=brl(MUCH))
    assert _result(await bia.mutate("reverseTransaction", transactionId=sent["transaction"]["id"])) == "OK"


async def test_an_invalid_request_is_refused_for_what_is_invalid(payer: Payer) -> None:
    assert await payer.pay("1000000000.00") == "INVALID_AMOUNT"
    assert await payer.pay("20000.001") == "INVALID_AMOUNT"
    assert await payer.pay(key="k" * 256) == "INVALID_INPUT"


async def test_a_wrong_or_used_code_proves_nothing_and_wrong_codes_delay(payer: Payer) -> None:
    right = payer.app.recovery_codes
    assert await payer.prove(right[0]) == "OK"
    payer.clock.moment += STALE
    assert await payer.prove(right[0]) == INVALID
    for _ in range(4):
        assert await payer.prove("000000") == INVALID
    assert await payer.prove("no code at all") == INVALID
    # During the delay, a right code is refused too.
    assert await payer.prove(right[1]) == INVALID
    assert await payer.pay() == REQUIRED
    payer.clock.moment += timedelta(minutes=1)
    assert await payer.prove(right[1]) == "OK"
    assert await payer.pay() == "OK"


async def test_a_proof_is_for_its_session_and_a_refresh_keeps_its_time(payer: Payer) -> None:
    here, refresh_token = await _log_in(payer.bank, payer.app.code())
    assert await payer.pay(by=here) == "OK"  # the login has proved it
    assert await payer.pay() == REQUIRED
    payer.clock.moment += timedelta(minutes=3)
    refreshed = await _send(payer.bank.client, "RefreshSession", refreshToken=refresh_token)
    here.token = refreshed["tokens"]["accessToken"]
    assert await payer.pay(by=here) == "OK"
    payer.clock.moment += STALE - timedelta(minutes=3)
    assert await payer.pay(by=here) == REQUIRED
    # The response to this proof is lost: a refresh returns a token with it.
    assert _result(await _send(here, "VerifySecondFactor", code=payer.app.code())) == "OK"
    assert await payer.pay(by=here) == REQUIRED
    refreshed = await _send(
        payer.bank.client, "RefreshSession", refreshToken=refreshed["tokens"]["refreshToken"]
    )  # fmt: skip
    here.token = refreshed["tokens"]["accessToken"]
    assert await payer.pay(by=here) == "OK"


async def test_a_closed_session_proves_nothing(payer: Payer) -> None:
    assert (await payer.ana.client.run("Logout")).data["logout"]["closed"]
    reply = await payer.ana.client.run("VerifySecondFactor", input={"code": payer.app.recovery_codes[0]})
    assert reply.code == "UNAUTHENTICATED"
    here, _ = await _log_in(payer.bank, payer.app.recovery_codes[0])  # the code was not used
    assert await payer.pay(by=here) == "OK"


async def test_a_person_without_a_second_factor_enrols_first(payer: Payer) -> None:
    bia = payer.bia
    assert await payer.prove() == "OK"
    assert await payer.pay("20000.00") == "OK"
    assert await bia.refused("withdraw", accountNumber=bia.number, amount=brl(MUCH)) == (REQUIRED, ["input", "amount"])
    assert _result(await _send(bia.client, "VerifySecondFactor", code="000000")) == MISSING
    await enrol(payer.bank, bia.client)
    assert _result(await bia.mutate("withdraw", accountNumber=bia.number, amount=brl(MUCH))) == "OK"


async def test_staff_pay_for_customers_without_it_and_from_their_own_accounts_with_it(payer: Payer) -> None:
    assert await payer.prove() == "OK"
    assert await payer.pay("20000.00") == "OK"
    await payer.bank.client.person(email="olga@example.com")
    await change_role(payer.bank.bank.uow_factory, email="olga@example.com", role="OPERATOR")
    client = await payer.bank.client.login("olga@example.com")
    olga = Person(client, await client.account())
    sent = await payer.ana.mutate("transfer", fromAccountId=payer.ana.id, toAccountNumber=olga.number, amount=brl(MUCH))
    assert _result(sent) == "OK"
    assert _result(await olga.mutate("withdraw", accountNumber=payer.bia.number, amount=brl(MUCH))) == "OK"
    assert (await olga.refused("withdraw", accountNumber=olga.number, amount=brl(MUCH)))[0] == REQUIRED


async def _set_limit(client: Client, amount: str | None) -> str:
    """Set the own limit, use the new token from now on, and return the code of the refusal, or OK."""
    payload = await _send(client, "SetStepUpLimit", amount=amount and brl(amount))
    client.token = payload["accessToken"] or client.token
    return _result(payload)


async def _limit(client: Client) -> str:
    reply = await client.run("StepUpLimit")
    return str(reply.data["me"]["stepUpAbove"]["amount"])


async def test_an_own_limit_is_lowered_at_once_and_raised_with_a_fresh_code(payer: Payer) -> None:
    ana = payer.ana.client
    assert await _limit(ana) == LIMIT
    assert await _set_limit(ana, "100.00") == "OK"
    assert await _limit(ana) == "100.00"
    assert [await payer.pay("100.00"), await payer.pay("100.01")] == ["OK", REQUIRED]
    for raised in ("100.01", None):
        assert await _set_limit(ana, raised) == REQUIRED
    assert await _limit(ana) == "100.00"
    assert await payer.prove() == "OK"
    assert [await payer.pay("100.01"), await _set_limit(ana, MUCH)] == ["OK", "INVALID_AMOUNT"]
    assert await _set_limit(ana, None) == "OK"
    payer.clock.moment += STALE
    assert [await payer.pay(LIMIT), await payer.pay(MUCH)] == ["OK", REQUIRED]
    await payer.bank.caught_up()
    assert not (await verify(payer.bank.bank.settings.database_url)).findings


async def test_an_own_limit_reaches_other_sessions_with_their_next_token(payer: Payer) -> None:
    here, refresh_token = await _log_in(payer.bank, payer.app.code())
    payer.clock.moment += STALE
    assert await _set_limit(payer.ana.client, "0.00") == "OK"
    assert await payer.pay("1.00", by=here) == "OK"
    refreshed = await _send(payer.bank.client, "RefreshSession", refreshToken=refresh_token)
    assert await payer.pay("1.00", by=Client(here.http, here.url, refreshed["tokens"]["accessToken"])) == REQUIRED
    # A proof and a login read the limit too.
    assert await payer.prove(by=here) == "OK"
    payer.clock.moment += STALE
    assert await payer.pay("1.00", by=here) == REQUIRED
    again, _ = await _log_in(payer.bank, payer.app.code())
    payer.clock.moment += STALE
    assert await payer.pay("1.00", by=again) == REQUIRED


async def test_an_erased_person_has_no_own_limit(bank: RunningBank) -> None:
    client = await bank.client.person()
    assert await _set_limit(client, "5.00") == "OK"
    exported = (await client.run("ExportMyData", input={"format": "JSON"})).data["exportMyData"]["document"]
    assert '"step_up_above_minor": 500' in exported
    assert (await client.run("EraseMyData", input={})).data["eraseMyData"]["erased"]
    await bank.caught_up()
    assert not (await verify(bank.bank.settings.database_url)).findings


async def test_a_refusal_is_on_record_and_counted(payer: Payer) -> None:
    counted_before = await _refused_transfers(payer.bank)
    assert await payer.pay() == REQUIRED
    assert await _refused_transfers(payer.bank) == counted_before + 1
    async with payer.bank.bank.database.connection() as connection:
        found = await connection.fetch(
            "select event_data ->> 'action' as action, event_data ->> 'entity_id' as who from event_store"
            " where event_type = 'ActionRefusedEvent' and event_data ->> 'code' = $1", REQUIRED,
        )  # fmt: skip
    [me] = (await payer.ana.client.run("Me")).data.values()
    assert [(row["action"], row["who"]) for row in found] == [("transfer", me["id"])]
