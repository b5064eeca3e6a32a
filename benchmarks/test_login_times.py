"""Comparison of the times of failed logins: an unknown address, a wrong password, and a locked account.

An attacker who measures them must not learn which addresses are customers', nor which are locked (OWASP ASVS 5.0,
6.3.8). The arms alternate in random order, so that the noise of the machine is the same for each. Target (spec): the
medians of 500 tries are within 5 %.
"""

import asyncio
import os
import random
import statistics
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
from pydantic import SecretStr

from bank.app import Bank, build_bank, running
from bank.database.migrate import upgrade
from bank.events.types.sessions import ACCOUNT
from bank.identity.log_in import BAD_CREDENTIALS, log_in
from bank.identity.register import Register, register_user
from bank.settings import Settings
from bank.telemetry.context import RequestContext, enter_context
from fixtures.backends import Backend, open_backend
from tests.integration.encryption import MASTER_KEY, TOKEN_SECRET

TRIES = int(os.environ.get("LOGIN_TRIES", "500"))
WITHIN = 0.05
KNOWN, LOCKED, UNKNOWN = "ana@example.com", "bia@example.com", "nobody@example.com"
CPFS = {KNOWN: "52998224725", LOCKED: "11144477735"}
WRONG = "not this one, I fear"


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Backend]:
    """Servers that wait for the disk, as in production."""
    with open_backend("embedded", folder=tmp_path_factory.mktemp("logins") / "servers") as backend:
        upgrade(backend.database_url)
        yield backend


async def _prepare(bank: Bank) -> None:
    """Register two users, and lock one of them for the time of the benchmark."""
    for email, cpf in CPFS.items():
        command = Register(email=email, full_name="Somebody", cpf=cpf, password="an umbrella for Tuesday")  # noqa: S106
        await register_user(bank.uow_factory, bank.recorder, bank.passwords, command)
    until = bank.clock.now() + timedelta(days=1)
    async with bank.database.connection() as connection:
        await connection.execute(
            "insert into login_failures (kind, digest, failures, counted_at, locked_until) values ($1, $2, 20, $3, $4)",
            ACCOUNT, bank.cipher.lookup_digest("email", LOCKED), bank.clock.now(), until,
        )  # fmt: skip


async def _try(bank: Bank, email: str, number: int) -> float:
    """Return the milliseconds of one failed login, from an address of its own."""
    enter_context(RequestContext(f"try-{number}", ip_address=f"10.{number // 256 % 256}.{number % 256}.1"))
    began = time.perf_counter()
    refused = await log_in(bank.sessions, email, WRONG)
    took_ms = (time.perf_counter() - began) * 1_000
    assert refused == BAD_CREDENTIALS
    async with bank.database.connection() as connection:
        # The two others would be locked as well after a few tries.
        await connection.execute("delete from login_failures where locked_until is null or kind <> $1", ACCOUNT)
    return took_ms


async def _measure(settings: Settings) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {KNOWN: [], LOCKED: [], UNKNOWN: []}
    arms = list(times)
    async with running(build_bank(settings)) as bank:
        await _prepare(bank)
        for email in arms:
            await _try(bank, email, 0)
        for number in range(TRIES):
            random.shuffle(arms)
            for place, email in enumerate(arms):
                times[email].append(await _try(bank, email, 3 * number + place))
    return times


def test_failed_logins_take_the_same_time(servers: Backend) -> None:
    settings = Settings(
        database_url=servers.database_url,
        redis_url=servers.redis_url,
        token_secret=SecretStr(TOKEN_SECRET),
        master_key=SecretStr(MASTER_KEY),
    )
    medians = {email: statistics.median(times) for email, times in asyncio.run(_measure(settings)).items()}
    ratios = {email: median / medians[UNKNOWN] for email, median in medians.items()}
    for email, name in ((UNKNOWN, "unknown address"), (KNOWN, "wrong password"), (LOCKED, "locked account")):
        sys.stdout.write(f"{name}: {medians[email]:.2f} ms, {ratios[email]:.3f} of an unknown address\n")
    assert [email for email, ratio in ratios.items() if abs(ratio - 1) > WITHIN] == []
