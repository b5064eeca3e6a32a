"""No line of the log identifies a person or quotes a text of a user, after any operation or failure."""

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.acceptance.test_serve import ENVIRONMENT, Server, serving
from tests.integration.api import Client
from tests.integration.encryption import set_role

ANA = {"email": "ana.okonkwo@example.com", "fullName": "Ana Okonkwo-Figueira", "cpf": "52998224725"}
PASSWORD = "a lamp for the long winter"
DESCRIPTION = "thank you for the tangerines"
REASON = "a letter from the court of Olinda"
PRIVATE = (ANA["email"], ANA["fullName"], "Okonkwo", "529.982.247-25", ANA["cpf"], PASSWORD, DESCRIPTION, REASON)


async def _everything(server: Server, database_url: str) -> None:
    """Execute valid and invalid operations on personal data, at the log level with the most output."""
    async with aiohttp.ClientSession() as http:
        nobody = Client(http, server.url)
        for given in (ANA, ANA, {**ANA, "email": "ana.okonkwo@"}, {**ANA, "cpf": "52998224726"}):
            await nobody.run("Register", input={**given, "password": PASSWORD})
        for password in (PASSWORD + "!", PASSWORD):
            reply = await nobody.run("Login", input={"email": ANA["email"], "password": password})
        ana = Client(http, server.url, reply.data["login"]["tokens"]["accessToken"])
        account = await ana.account()
        connection = await asyncpg.connect(database_url)
        await set_role(connection, ANA["email"], "ADMIN", master_key=ENVIRONMENT["BANK_MASTER_KEY"])
        await connection.close()
        reply = await nobody.run("Login", input={"email": ANA["email"], "password": PASSWORD})
        staff = Client(http, server.url, reply.data["login"]["tokens"]["accessToken"])
        await staff.deposit(account["number"], "1.00", "d")
        order: dict[str, Any] = {"fromAccountId": account["id"], "toAccountNumber": account["number"]}
        for more in ({}, {"description": 7}, {"nonsense": DESCRIPTION}):
            money = {"amount": "1.00", "currency": "BRL"}
            sent = {"idempotencyKey": "t", "amount": money, "description": DESCRIPTION, **order, **more}
            await ana.run("Transfer", input=sent)
        await staff.run("FreezeAccount", input={"accountNumber": account["number"], "reason": REASON})
        await ana.run("Me")
        await staff.run("AuditLogs")
        await ana.send(f'{{ me(name: "{ANA["fullName"]}") {{ id }} }}')
        await ana.run("Logout")


def test_no_line_of_the_log_identifies_a_person_or_quotes_a_text(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    urls = {"DATABASE_URL": database_url, "REDIS_URL": redis_url}
    environment: dict[str, Any] = {**urls, "BANK_LOG_LEVEL": "debug", **ENVIRONMENT}
    log = tmp_path / "log"
    with serving(log, **environment) as server:
        asyncio.run(_everything(server, database_url))
    text = log.read_text()
    assert text.count("\n") > 10
    assert [private for private in PRIVATE if private.lower() in text.lower()] == []
