"""Suspicious activity is recorded once for each subject and period, and everybody else stays unsuspected."""

import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs
from validate_docbr import CPF

from bank.clock import SystemClock
from bank.events.event import EventMetadata, RecordedEvent
from bank.events.replay import Replay
from bank.events.types.transactions import TransactionCompletedEvent
from bank.invariants.verify import verify
from bank.privacy.policy import POLICY
from bank.security.rules import RULES
from bank.security.watch import SuspiciousActivityMonitor, is_watched
from tests.integration.api import PASSWORD, Client, RunningBank, serving, settings_for
from tests.integration.customers import Person, brl
from tests.integration.encryption import cipher_for
from tests.integration.events import one_of_each
from tests.integration.log import Log
from tests.integration.payers import SetClock
from tests.integration.staff import member_of_staff

WRONG, ELSEWHERE = "not this one, I fear", "203.0.113.7"
LOGS = 'query { auditLogs(entityType: "Network") { nodes { action entityId ipAddress } } }'


class Watched:
    """A bank whose clock can be set."""

    def __init__(self, bank: RunningBank, clock: SetClock) -> None:
        self.bank, self.clock = bank, clock

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        async with self.bank.bank.database.connection() as connection:
            return await connection.fetch(sql, *arguments)

    async def found(self) -> list[dict[str, Any]]:
        """Return the values of the events of suspicious activity."""
        await self.bank.caught_up()
        rows = await self.fetch(
            "select event_data, user_id from event_store where event_type = 'SuspiciousActivityDetectedEvent'"
            " order by position"
        )
        return [json.loads(row["event_data"]) for row in rows]

    async def rules(self) -> list[str]:
        return [event["rule"] for event in await self.found()]

    async def observations(self) -> list[str]:
        await self.bank.caught_up()
        return [row["kind"] for row in await self.fetch("select kind from security_observations order by position")]

    async def guess(self, count: int, address: str = ELSEWHERE) -> None:
        """Fail to log in to some accounts that do not exist."""
        for number in range(count):
            given = {"email": f"guess{number}@example.com", "password": WRONG}
            await self.bank.client.run("Login", input=given, headers={"X-Forwarded-For": address})

    async def replay(self) -> None:
        """Deliver every event to the subscriber again."""
        bank = self.bank.bank
        [delivery] = [one for one in bank.deliveries if one.subscriber.name == "suspicious_activity"]
        again = Replay(bank.database, delivery.subscriber, SystemClock(), bank.cipher)
        assert (await again.run(since=1, until=None, progress=lambda _done, _total: None)).failed == []

    async def broken(self) -> list[str]:
        await self.bank.caught_up()
        found = (await verify(self.bank.bank.settings.database_url)).findings
        return [finding.sentence for finding in found]


@pytest.fixture
async def watched(database_url: str, redis_url: str) -> AsyncIterator[Watched]:
    clock = SetClock()
    settings = settings_for(
        database_url, redis_url, trusted_proxies="127.0.0.1", rate_limit_exempt="127.0.0.0/8,198.51.100.0/24"
    )
    async with serving(settings, clock=clock) as bank:
        yield Watched(bank, clock)


def counted(rule: str) -> float:
    return REGISTRY.get_sample_value("bank_suspicious_activity_total", {"rule": rule}) or 0


async def test_credential_stuffing_is_recorded_once_with_the_address(watched: Watched) -> None:
    before = counted("credential_stuffing")
    with capture_logs() as lines:
        await watched.guess(12)
        [event] = await watched.found()
    assert (event["rule"], event["subject_type"], event["count"]) == ("credential_stuffing", "Network", 10)
    [line] = [line for line in lines if line["event"] == "suspicious_activity"]
    assert (line["log_level"], line["rule"]) == ("warning", "credential_stuffing")
    assert ELSEWHERE not in repr(lines)
    assert counted("credential_stuffing") == before + 1
    admin = await member_of_staff(watched.bank, "ada", "ADMIN")
    [row] = (await admin.client.send(LOGS)).data["auditLogs"]["nodes"]
    assert (row["action"], row["ipAddress"], row["entityId"]) == ("DETECT", ELSEWHERE, event["subject_id"])
    stored = await watched.fetch("select position from event_store where event_type = 'LoginFailedEvent'")
    assert event["positions"] == [row["position"] for row in stored][:10]
    await watched.replay()
    assert len(await watched.found()) == 1
    assert await watched.broken() == []


async def test_an_attack_is_recorded_again_in_the_next_period_and_for_another_network(watched: Watched) -> None:
    await watched.guess(10)
    await watched.guess(10, "203.0.113.8")
    watched.clock.moment += timedelta(hours=1)
    await watched.guess(10)
    found = [event["subject_id"] for event in await watched.found()]
    assert found == [found[0], found[1], found[0]]
    assert found[0] != found[1]


async def test_neither_few_accounts_nor_exempt_networks_are_found(watched: Watched) -> None:
    await watched.guess(9)
    await watched.guess(9)
    await watched.guess(12, "198.51.100.9")
    assert await watched.found() == []
    assert await watched.observations() == ["FAILED_LOGIN"] * 18


async def test_many_registrations_from_one_network_are_found(watched: Watched) -> None:
    for number in range(20):
        given = {"email": f"new{number}@example.com", "fullName": "Maria Silva", "cpf": CPF().generate()}
        reply = await watched.bank.client.run(
            "Register", input={**given, "password": PASSWORD}, headers={"X-Forwarded-For": ELSEWHERE}
        )
        assert reply.data["register"]["accepted"]
    [event] = await watched.found()
    assert (event["rule"], event["count"], len(event["positions"])) == ("mass_registration", 20, 20)
    assert await watched.broken() == []


async def pay(person: Person, to: Person, amount: str) -> None:
    paid = await person.mutate("transfer", fromAccountId=person.id, toAccountNumber=to.number, amount=brl(amount))
    assert paid["userErrors"] == []


async def test_suspicious_payments_of_a_customer_are_found(watched: Watched) -> None:
    """Everything that Ana does on her first day is usual; two days later, the same is not."""
    client, email = watched.bank.client, "ana@example.com"
    ana = Person(await client.person(email=email), {})
    ana.account = await ana.client.account()
    bia = Person(await client.person(), {})
    bia.account = await bia.client.account()
    staff = Person(await watched.bank.staff(), {})
    for amount in ("50000.00", "37000.00"):
        await staff.mutate("deposit", accountNumber=ana.number, amount=brl(amount))
    await pay(ana, bia, "10000.00")
    assert await watched.rules() == []

    watched.clock.moment += timedelta(days=2)
    ana.client = await client.login(email)
    await pay(ana, bia, "4999.99")
    assert await watched.rules() == []
    await pay(ana, bia, "10000.00")
    [event] = await watched.found()
    [account] = await watched.fetch("select user_id::text as id from accounts where number = $1", ana.number)
    assert (event["rule"], event["subject_id"]) == ("new_device_payment", account["id"])
    named = await watched.fetch(
        "select event_type from event_store where position = any($1::bigint[]) order by position", event["positions"]
    )
    assert [row["event_type"] for row in named] == ["UserLoggedInEvent", "TransactionCompletedEvent"]

    for _ in range(10):
        await pay(ana, bia, "5000.00")
    assert await watched.rules() == ["new_device_payment", "structuring"]

    changes = {"newPassword": "nine green lamps in winter", "currentPassword": PASSWORD}
    assert (await ana.client.run("ChangePassword", input=changes)).data["changePassword"]["changed"]
    await pay(ana, bia, "10000.00")
    assert await watched.rules() == ["new_device_payment", "structuring", "cash_out"]

    watched.clock.moment += timedelta(days=180)
    given = {"email": email, "password": changes["newPassword"]}
    reply = await client.run("Login", input=given)
    ana.client = Client(client.http, client.url, reply.data["login"]["tokens"]["accessToken"])
    await pay(ana, bia, "1000.00")
    await pay(ana, bia, "1000.00")
    assert (await watched.rules())[3:] == ["dormant_account"]

    await watched.replay()
    assert len(await watched.found()) == 4
    assert await watched.broken() == []


async def test_staff_who_pay_out_at_the_counter_are_not_suspected(watched: Watched) -> None:
    ana = Person(await watched.bank.client.person(), {})
    ana.account = await ana.client.account()
    staff = Person(await watched.bank.staff(), {})
    await staff.mutate("deposit", accountNumber=ana.number, amount=brl("50000.00"))
    watched.clock.moment += timedelta(days=200)
    staff = Person(await watched.bank.staff(), {})
    paid_out = await staff.mutate("withdraw", accountNumber=ana.number, amount=brl("40000.00"))
    assert paid_out["userErrors"] == []
    assert await watched.rules() == []


async def test_observations_are_deleted_after_a_day(watched: Watched) -> None:
    await watched.bank.client.person()
    await watched.guess(2)
    assert await watched.observations() == ["NEW_DEVICE", "FAILED_LOGIN", "FAILED_LOGIN"]
    watched.clock.moment += POLICY["security_observations"].keep + timedelta(days=1)
    await watched.guess(1)
    await watched.bank.caught_up()
    deleted = await watched.bank.bank.data_retention.run_once()
    assert deleted["security_observations"] == 3
    assert await watched.observations() == ["FAILED_LOGIN"]


async def test_an_erased_person_has_no_observations(watched: Watched) -> None:
    leaver = await watched.bank.client.person()
    assert await watched.observations() == ["NEW_DEVICE"]
    assert (await leaver.run("EraseMyData", input={})).data["eraseMyData"]["erased"]
    assert await watched.observations() == []
    assert await watched.broken() == []


async def test_usual_payments_cost_no_statement(log: Log) -> None:
    """Without a connection, any statement would be an error."""
    monitor = SuspiciousActivityMonitor(cipher_for(log.database), SystemClock(), exempt=())
    usual = [
        RecordedEvent(position=n, event=event, metadata=EventMetadata(), created_at=SystemClock().now())
        for n, event in enumerate(one_of_each(), start=1)
        if isinstance(event, TransactionCompletedEvent)
    ]
    assert not any(is_watched(one.event) for one in usual), "no transaction either"
    assert [one.event.amount_minor < RULES.amount_minor for one in usual] == [True]  # type: ignore[attr-defined]
    await monitor.watch(None, usual)
