"""A running bank behind a real socket, and a client that sends the documents of the contract."""

import asyncio
import contextlib
import itertools
import random
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import aiohttp
from pydantic import SecretStr
from validate_docbr import CPF

import contracts
from bank.api.engine import create_engine
from bank.api.request_handler import GraphQLRequestHandler
from bank.api.scalars import SCALARS
from bank.api.schema import load_sdl
from bank.api.server import serving_http
from bank.app import Bank, build_bank, running
from bank.cache.redis import RedisUnavailable
from bank.clock import Clock
from bank.graphql.validation.validator import DocumentValidator
from bank.identity.roles import change_role
from bank.settings import Settings
from tests.integration.encryption import MASTER_KEY, TOKEN_SECRET

PASSWORD = "an umbrella for Tuesday"
_numbers = itertools.count(1)


@dataclass
class Reply:
    """A response over HTTP."""

    status: int
    headers: Any
    body: Any

    @property
    def data(self) -> Any:
        assert "errors" not in self.body, self.body["errors"]
        return self.body["data"]

    @property
    def code(self) -> str:
        return str(self.body["errors"][0]["extensions"]["code"])


@dataclass
class Client:
    """A GraphQL client of one bank, for one user or without a login."""

    http: aiohttp.ClientSession
    url: str
    token: str | None = None

    async def send(
        self, query: str, variables: dict[str, Any] | None = None, *, headers: dict[str, str] | None = None, **more: Any
    ) -> Reply:
        sent = {"Accept": "application/graphql-response+json", **(headers or {})}
        if self.token:
            sent.setdefault("Authorization", f"Bearer {self.token}")
        body = {"query": query, "variables": variables or {}, **more}
        async with self.http.post(f"{self.url}/graphql", json=body, headers=sent) as response:
            return Reply(response.status, response.headers, await response.json(content_type=None))

    async def run(self, operation: str, *, headers: dict[str, str] | None = None, **variables: Any) -> Reply:
        document = (contracts.OPERATIONS / f"{operation}.graphql").read_text()
        return await self.send(document, variables, headers=headers)

    async def person(self, *, email: str | None = None) -> "Client":
        """Register a user and log in."""
        email = email or f"person{next(_numbers)}-{random.getrandbits(32):08x}@example.com"
        given = {"email": email, "fullName": "Maria da Silva", "cpf": CPF().generate(), "password": PASSWORD}
        registered = await self.run("Register", input=given)
        assert registered.data["register"]["userErrors"] == []
        return await self.login(email)

    async def login(self, email: str) -> "Client":
        reply = await self.run("Login", input={"email": email, "password": PASSWORD})
        return Client(self.http, self.url, reply.data["login"]["tokens"]["accessToken"])

    async def account(self, key: str = "a") -> dict[str, Any]:
        reply = await self.run("OpenAccount", input={"idempotencyKey": key, "currency": "BRL"})
        account: dict[str, Any] = reply.data["openAccount"]["account"]
        return account

    async def deposit(self, number: str, amount: str, key: str) -> dict[str, Any]:
        money = {"amount": amount, "currency": "BRL"}
        reply = await self.run("Deposit", input={"idempotencyKey": key, "accountNumber": number, "amount": money})
        deposit: dict[str, Any] = reply.data["deposit"]
        return deposit

    async def transfer(self, from_id: str, to_number: str, amount: str, key: str, **more: Any) -> Reply:
        money = {"amount": amount, "currency": more.pop("currency", "BRL")}
        given = {"idempotencyKey": key, "fromAccountId": from_id, "toAccountNumber": to_number, "amount": money, **more}
        return await self.run("Transfer", input=given)

    async def balance(self, account_id: str, *, headers: dict[str, str] | None = None) -> str:
        reply = await self.run("AccountBalance", id=account_id, headers=headers)
        return str(reply.data["account"]["balance"]["amount"])


@dataclass
class RunningBank:
    """A bank that serves requests, with access to its parts."""

    bank: Bank
    client: Client

    async def staff(self) -> Client:
        """Return an operator, logged in."""
        email = f"operator{next(_numbers)}@example.com"
        await self.client.person(email=email)
        await change_role(self.bank.uow_factory, email=email, role="OPERATOR")
        return await self.client.login(email)

    async def until_redis_is_trusted(self, *, within_s: float = 10.0) -> None:
        """Wait until the bank trusts Redis."""
        async with asyncio.timeout(within_s):
            while not self.bank.membership.trusts_redis:
                await asyncio.sleep(0.005)

    async def caught_up(self) -> None:
        """Wait until every subscriber has handled every event."""
        async with asyncio.timeout(10), self.bank.database.connection() as connection:
            behind = (
                "select exists (select from subscriber_positions s, event_log_head h where s.position < h.position)"
            )
            while await connection.fetchval(behind):
                await asyncio.sleep(0.005)


def settings_for(database_url: str, redis_url: str, **more: Any) -> Settings:
    """Return settings for a bank whose staff need no second factor; `test_staff_second_factor` tests that they do."""
    more.setdefault("staff_second_factor", "optional")
    return Settings(
        database_url=database_url,
        redis_url=redis_url,
        token_secret=SecretStr(TOKEN_SECRET),
        master_key=SecretStr(MASTER_KEY),
        **more,
    )


@contextlib.asynccontextmanager
async def serving(
    settings: Settings, *, clock: Clock | None = None, connections_max: int = 1_000
) -> AsyncIterator[RunningBank]:
    """Serve a bank on a free port, with everything that `bank serve` runs."""
    sdl = load_sdl()
    engine = await create_engine(sdl)
    async with running(build_bank(settings, clock=clock)) as bank, aiohttp.ClientSession() as http:
        handler = GraphQLRequestHandler(bank, DocumentValidator(sdl, codecs=SCALARS), engine)
        sock = socket.create_server(("127.0.0.1", 0))
        started = RunningBank(bank, Client(http, f"http://127.0.0.1:{sock.getsockname()[1]}"))
        try:
            async with serving_http(bank, handler, sock, connections_max=connections_max):
                with contextlib.suppress(RedisUnavailable):
                    await bank.cache_server.ping()
                    await started.until_redis_is_trusted()
                try:
                    yield started
                finally:
                    await http.close()
        finally:
            await handler.close()
