"""A signed head agrees with the database, even if the machine crashes immediately after the signature."""

import asyncio
from pathlib import Path

import asyncpg

from bank.audit.keys import load_public_keys, load_signing_key, make_key
from bank.audit.sign import Signer, SigningConfig
from bank.audit.verify_trail import verify_trail
from bank.clock import SystemClock
from bank.database.migrate import upgrade
from fixtures.backends import Backend
from tests.integration.trail import open_trail


async def test_signed_rows_survive_kill_9_of_the_server(durable_backend: Backend, tmp_path: Path) -> None:
    postgres, url = durable_backend.postgres, durable_backend.database_url
    assert postgres is not None
    await asyncio.to_thread(upgrade, url)
    private, public, heads = tmp_path / "key.pem", tmp_path / "pub.pem", tmp_path / "heads.jsonl"
    make_key(private, public)
    async with open_trail(url) as trail:
        # As in deliveries, rows commit without waiting for the disk. The WAL writer is slowed down so that rows would
        # be lost.
        await trail.connection.execute("alter system set wal_writer_delay = '10s'")
        await trail.connection.execute("select pg_reload_conf()")
        await trail.connection.execute("set synchronous_commit = off")
        signer = Signer(
            SigningConfig(load_signing_key(private), heads), database=trail.database, clock=SystemClock(),
            interval_s=60, writes_chain=lambda: True,
        )  # fmt: skip
        await trail.write(20)
        head = await signer.run_once()
    # The connections are closed first, because closing one to a killed server may raise an error.
    postgres.kill()
    assert head is not None
    assert head.number == 20
    await asyncio.to_thread(postgres.start)
    connection = await asyncpg.connect(url)
    found = await verify_trail(connection, heads=[heads], keys=load_public_keys([public]))
    await connection.close()
    assert (found.findings, found.signed_number) == ((), 20)
