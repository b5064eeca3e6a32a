"""`bank keys rotate` against a running bank: tokens stay valid, or are refused at once if a key has leaked."""

import asyncio
import time
from pathlib import Path
from typing import Any

import aiohttp

from tests.acceptance.test_serve import ENVIRONMENT, _bank, serving
from tests.integration.api import PASSWORD, Client


async def _log_in(url: str) -> dict[str, Any]:
    """Register a customer and return the tokens of a session."""
    async with aiohttp.ClientSession() as http:
        client = Client(http, url)
        await client.person(email="ana@example.com")
        reply = await client.run("Login", input={"email": "ana@example.com", "password": PASSWORD})
        tokens: dict[str, Any] = reply.data["login"]["tokens"]
        return tokens


async def _status(url: str, token: str) -> int:
    async with aiohttp.ClientSession() as http:
        return (await Client(http, url, token).run("Me")).status


async def _refresh(url: str, token: str) -> str:
    async with aiohttp.ClientSession() as http:
        reply = await Client(http, url).run("RefreshSession", input={"refreshToken": token})
        return str(reply.data["refreshSession"]["tokens"]["accessToken"])


def test_a_rotation_keeps_tokens_valid_and_one_with_now_refuses_them(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **ENVIRONMENT}
    with serving(tmp_path / "log", **servers) as server:
        tokens = asyncio.run(_log_in(server.url))
        rotated = _bank("keys", "rotate", **servers)
        assert (rotated.returncode, rotated.stderr) == (0, "")
        assert "Older keys are accepted until" in rotated.stdout
        assert asyncio.run(_status(server.url, tokens["accessToken"])) == 200
        rotated = _bank("keys", "rotate", "--now", **servers)
        assert (rotated.returncode, rotated.stderr) == (0, "")
        assert rotated.stdout.endswith("Tokens of older keys are refused.\n")
        deadline = time.monotonic() + 10
        while asyncio.run(_status(server.url, tokens["accessToken"])) == 200:
            assert time.monotonic() < deadline, "the worker has not loaded the key"
        fresh = asyncio.run(_refresh(server.url, tokens["refreshToken"]))
        assert asyncio.run(_status(server.url, fresh)) == 200
    log = (tmp_path / "log").read_text()
    assert log.count('"signing_keys_loaded"') == 2


def test_a_rotation_without_the_master_key_changes_nothing(database_url: str) -> None:
    rotated = _bank("keys", "rotate", DATABASE_URL=database_url)
    assert (rotated.returncode, rotated.stderr) == (2, "bank: BANK_MASTER_KEY is not set.\n")


def test_a_worker_with_another_master_key_does_not_start(database_url: str, redis_url: str) -> None:
    servers = {"DATABASE_URL": database_url, "REDIS_URL": redis_url, **ENVIRONMENT}
    assert _bank("keys", "rotate", **servers).returncode == 0
    another = {**servers, "BANK_MASTER_KEY": "c2a95d1e7f3b8046" * 2 + "9e0d4b7a61f8c352" * 2}
    started = _bank("serve", "--port", "0", **another)
    assert started.returncode == 2
    last = started.stderr.strip().splitlines()[-1]
    assert last.startswith("bank: The key of ")
    assert last.endswith("was wrapped by another master key than BANK_MASTER_KEY.")
