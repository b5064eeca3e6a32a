"""No canary of a person is in a log, an answer or the data of a server after errors of the driver and a shutdown."""

import asyncio
import json
import signal
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg
import pytest
import redis.asyncio as redis_client

from tests.acceptance.test_serve import ENVIRONMENT, Server, serving
from tests.integration.api import Client, Reply
from tests.integration.encryption import set_role
from tests.integration.payers import waits_for_a_lock

CPFS = ("52998224725", "111.444.777-35")
CANARIES = {
    "email": "canary-of-ana@example.com",
    "other_email": "canary-of-bia@example.com",
    "name": "Canária Okonkwo-Figueira",
    "password": "a canary for the long winter",
    "description": "thank you for the canary",
    "reason": "a canary from the court of Olinda",
    "user_agent": "canary-browser/7",
    "phone": "+5511987650042",
}
USER_AGENT = {"User-Agent": CANARIES["user_agent"]}


def _person(email: str, cpf: str) -> dict[str, Any]:
    return {"email": email, "fullName": CANARIES["name"], "cpf": cpf, "password": CANARIES["password"]}


class Person:
    """A customer whose every text is a canary."""

    def __init__(self, nobody: Client) -> None:
        self.client = self._nobody = nobody
        self.account: dict[str, Any] = {}

    async def become_customer(self, owner: Any) -> None:
        """Register, log in, and receive money from a member of staff."""
        await self._nobody.run("Register", input=_person(CANARIES["email"], CPFS[0]), headers=USER_AGENT)
        self.client = await self._log_in()
        self.account = await self.client.account()
        await set_role(owner, CANARIES["email"], "ADMIN", master_key=ENVIRONMENT["BANK_MASTER_KEY"])
        # Nobody acts as staff on their own accounts, so a colleague pays in.
        colleague = {**_person("colleague@example.com", "390.533.447-05"), "fullName": "Colleague"}
        await self._nobody.run("Register", input=colleague)
        await set_role(owner, "colleague@example.com", "OPERATOR", master_key=ENVIRONMENT["BANK_MASTER_KEY"])
        teller = await self._log_in("colleague@example.com")
        assert (await teller.deposit(self.account["number"], "5.00", "pay-in"))["userErrors"] == []

    async def _log_in(self, email: str = CANARIES["email"]) -> Client:
        given = {"email": email, "password": CANARIES["password"]}
        reply = await self._nobody.run("Login", input=given, headers=USER_AGENT)
        return Client(self._nobody.http, self._nobody.url, reply.data["login"]["tokens"]["accessToken"])

    def everything(self) -> dict[str, Any]:
        """Return a request of every kind that writes a text of a person, by its name, not yet sent."""
        money = {"amount": "1.00", "currency": "BRL"}
        payment = {"fromAccountId": self.account["id"], "toAccountNumber": "0001/00000002-2", "amount": money}
        described = {"idempotencyKey": "k", **payment, "description": CANARIES["description"]}
        freeze = {"accountNumber": self.account["number"], "reason": CANARIES["reason"]}
        password = CANARIES["password"]
        changed = {
            "ChangePassword": {"newPassword": f"{password}!", "currentPassword": password},
            "ChangeEmail": {"newEmail": CANARIES["other_email"], "password": password},
            "ChangePhone": {"phone": CANARIES["phone"], "password": password},
        }
        return {
            "Register": lambda: self._nobody.run(
                "Register", input=_person(CANARIES["other_email"], CPFS[1]), headers=USER_AGENT
            ),
            "Login": lambda: self._nobody.run(
                "Login", input={"email": CANARIES["email"], "password": f"{password}?"}, headers=USER_AGENT
            ),
            "Transfer": lambda: self.client.run("Transfer", input=described, headers=USER_AGENT),
            "FreezeAccount": lambda: self.client.run("FreezeAccount", input=freeze, headers=USER_AGENT),
            **{
                name: lambda name=name, given=given: self.client.run(name, input=given, headers=USER_AGENT)
                for name, given in changed.items()
            },
        }


@asynccontextmanager
async def _owner(folder: Path) -> Any:
    """Connect to PostgreSQL as its owner."""
    connection = await asyncpg.connect(_variable(folder, "DATABASE_URL"))
    try:
        yield connection
    finally:
        connection.terminate()  # the server may be gone


def _variable(folder: Path, name: str) -> str:
    lines = (folder / "bank-data" / "environment").read_text().splitlines()
    [value] = [line.partition("=")[2] for line in lines if line.startswith(f"export {name}=")]
    return value.strip("'\"")


async def _with_broken_tables(person: Person, owner: Any) -> list[Reply]:
    """Send everything while each row that is written violates a constraint, whose message quotes the row."""
    tables = ("users", "event_store", "transactions")
    for table in tables:
        await owner.execute(f"alter table {table} add constraint broken check (false) not valid")
    replies = [await send() for send in person.everything().values()]
    for table in tables:
        await owner.execute(f"alter table {table} drop constraint broken")
    return replies


async def _with_ended_connections(person: Person, owner: Any) -> list[Reply]:
    """Send everything while the connection of each request ends in its transaction."""
    replies = []
    for send in person.everything().values():
        async with owner.transaction():
            await owner.execute("lock table users, event_store, transactions in access exclusive mode")
            request = asyncio.ensure_future(send())
            pid = await waits_for_a_lock(owner)
            assert await owner.fetchval("select pg_terminate_backend($1)", pid)
        replies.append(await request)
    return replies


async def _at_the_shutdown(person: Person, owner: Any, server: Server) -> None:
    """Stop the worker while everything waits for a lock, until the worker gives up and stops its servers, too."""
    await owner.execute("begin")
    await owner.execute("lock table users, event_store, transactions in access exclusive mode")
    requests = [asyncio.ensure_future(send()) for send in person.everything().values()]
    await waits_for_a_lock(owner)
    server.process.send_signal(signal.SIGTERM)
    await asyncio.to_thread(server.process.wait, 60)
    await asyncio.gather(*requests, return_exceptions=True)


async def _rows(owner: Any) -> str:
    tables = await owner.fetch(
        "select relname from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')"
    )
    rows = [await owner.fetch(f"select to_jsonb(t)::text from {table['relname']} t") for table in tables]
    return "\n".join(row[0] for table in rows for row in table)


async def _cached(url: str) -> str:
    """Return what Redis holds: the names of its keys, and their values as it dumps them."""
    client = redis_client.from_url(url)
    try:
        texts = [(key, await client.dump(key)) async for key in client.scan_iter(count=1_000)]
    finally:
        await client.aclose()
    return repr(texts)


@pytest.mark.timeout(180)
def test_no_canary_is_readable_when_the_driver_fails_or_the_worker_stops(tmp_path: Path) -> None:
    log = tmp_path / "log"
    texts: dict[str, str] = {}

    async def play(server: Server) -> None:
        async with aiohttp.ClientSession() as http, _owner(tmp_path) as owner:
            person = Person(Client(http, server.url))
            await person.become_customer(owner)
            broken = await _with_broken_tables(person, owner)
            assert {reply.status for reply in broken} == {500}
            ended = await _with_ended_connections(person, owner)
            texts["the answers"] = json.dumps([reply.body for reply in [*broken, *ended]], ensure_ascii=False)
            texts["Redis"] = await _cached(_variable(tmp_path, "REDIS_URL"))
            texts["the rows"] = await _rows(owner)
            await _at_the_shutdown(person, owner, server)

    with serving(log, cwd=tmp_path, BANK_LOG_LEVEL="debug", **ENVIRONMENT) as server:
        asyncio.run(play(server))
    texts["the log"] = log.read_text()
    texts["the log of PostgreSQL"] = (tmp_path / "bank-data" / "postgres" / "postgres.log").read_text()
    assert "23514" in texts["the log"], "the errors of the driver are logged"
    assert "violates check constraint" in texts["the log of PostgreSQL"]
    secret = {**CANARIES, "cpf": CPFS[0], "other_cpf": "11144477735"}
    found = [f"{name} in {place}" for place, text in texts.items() for name, word in secret.items() if word in text]
    assert found == []
