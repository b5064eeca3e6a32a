"""`bank audit`, used by an operator on the audit trail of a bank that has served."""

import asyncio
import json
from pathlib import Path
from typing import Any

import aiohttp
import asyncpg

from tests.acceptance.test_serve import ENVIRONMENT, _bank, _caught_up, _sentence, serving
from tests.integration.api import Client


async def _some_banking(url: str) -> None:
    async with aiohttp.ClientSession() as http:
        person = await Client(http, url).person()
        await person.account()


async def _execute(database_url: str, *statements: str) -> None:
    connection = await asyncpg.connect(database_url)
    for statement in statements:
        await connection.execute(statement)
    await connection.close()


def test_a_stopped_bank_has_a_signed_trail_that_verifies_until_it_is_changed(
    database_url: str, redis_url: str, tmp_path: Path
) -> None:
    made = _bank("audit", "keygen", cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    files: dict[str, Any] = {
        "BANK_AUDIT_KEY_FILE": str(tmp_path / "audit-key.pem"),
        "BANK_AUDIT_HEADS_FILE": str(tmp_path / "heads.jsonl"),
        "BANK_AUDIT_PUBLIC_KEY_FILE": str(tmp_path / "audit-key.pub.pem"),
        "DATABASE_URL": database_url,
    }
    with serving(tmp_path / "log", **files, REDIS_URL=redis_url, **ENVIRONMENT) as server:
        asyncio.run(_some_banking(server.url))
        assert asyncio.run(_caught_up(database_url))
    whole = _bank("audit", "verify", "--json", **files)
    assert whole.returncode == 0, whole.stdout + whole.stderr
    report = json.loads(whole.stdout)
    assert (report["whole"], report["findings"], report["signed"]) == (True, [], 1)
    assert report["rows"] == report["signed_number"] >= 2

    tampering = "set session_replication_role = replica; update audit_logs set ip_address = '10.0.0.1' where number = 2"
    asyncio.run(_execute(database_url, tampering))
    broken = _bank("audit", "verify", **files)
    assert broken.returncode == 1
    assert broken.stdout.startswith("Broken: audit row 2 (event 2) is not as it was written")
    report = json.loads(_bank("audit", "verify", "--json", **files).stdout)
    assert (report["whole"], report["findings"][0]["number"]) == (False, 2)


def test_a_bank_without_configuration_makes_its_signing_key_and_heads_in_its_folder(tmp_path: Path) -> None:
    data = tmp_path / "bank-data"
    with serving(tmp_path / "log", cwd=tmp_path) as server:
        asyncio.run(_some_banking(server.url))
    assert (data / "audit-key.pem").stat().st_mode & 0o777 == 0o600
    assert (data / "audit-key.pub.pem").exists()
    key = (data / "audit-key.pem").read_bytes()
    heads = (data / "audit-heads.jsonl").read_text()
    assert len(heads.splitlines()) == 1
    with serving(tmp_path / "log", cwd=tmp_path) as server:
        asyncio.run(_some_banking(server.url))
    assert (data / "audit-key.pem").read_bytes() == key
    assert (data / "audit-heads.jsonl").read_text().startswith(heads)


def test_an_audit_that_cannot_be_verified_is_one_sentence_and_exit_code_2(
    database_url: str, postgres_url: str, tmp_path: Path
) -> None:
    heads, none = tmp_path / "heads.jsonl", tmp_path / "none"
    heads.touch()
    assert _sentence(_bank("audit", "verify", cwd=tmp_path)).startswith("bank: DATABASE_URL is not set. Set it, or")
    without_key = _bank("audit", "verify", "--heads", str(heads), DATABASE_URL=database_url)
    assert _sentence(without_key) == "bank: Heads are verified with the public key: give --public-key too."
    no_key = _bank("audit", "verify", "--heads", str(heads), "--public-key", str(none), DATABASE_URL=database_url)
    assert _sentence(no_key) == f"bank: Cannot read {none}: No such file or directory."
    assert "not migrated at all" in _sentence(_bank("audit", "verify", DATABASE_URL=postgres_url))
    away = _bank("audit", "verify", DATABASE_URL="postgresql://bank@127.0.0.1:1/bank")
    assert _sentence(away).startswith("bank: The database does not answer")


def test_an_existing_signing_key_is_not_replaced(tmp_path: Path) -> None:
    assert _bank("audit", "keygen", cwd=tmp_path).returncode == 0
    assert _sentence(_bank("audit", "keygen", cwd=tmp_path)) == "bank: Cannot make audit-key.pem: File exists."


def test_a_bank_whose_key_others_can_read_does_not_start(database_url: str, redis_url: str, tmp_path: Path) -> None:
    key = tmp_path / "audit-key.pem"
    assert _bank("audit", "keygen", cwd=tmp_path).returncode == 0
    key.chmod(0o644)
    done = _bank(
        "serve", "--port", "0", DATABASE_URL=database_url, REDIS_URL=redis_url, BANK_AUDIT_KEY_FILE=str(key),
        BANK_AUDIT_HEADS_FILE=str(tmp_path / "heads.jsonl"), **ENVIRONMENT,
    )  # fmt: skip
    assert _sentence(done) == f"bank: The audit key {key} can be read by others; `chmod 600 {key}` first."
