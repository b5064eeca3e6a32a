"""Given servers are checked with read-only statements before a run writes to them."""

import pytest
import redis

from fixtures.backends import Backend
from fixtures.backends.reach import run_sql
from simulation.stack.commands import CouldNotRunError
from simulation.stack.emptiness import require_empty


def given(database_url: str, redis_url: str) -> Backend:
    return Backend("external", database_url, redis_url, "given")


async def test_an_empty_database_and_a_migrated_one_are_accepted(
    postgres_url: str, database_url: str, redis_url: str
) -> None:
    await require_empty(given(postgres_url, redis_url))
    await require_empty(given(database_url, redis_url))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("create table ledger (id integer)", "it holds the table public.ledger;"),
        ("create schema shop create table orders (id integer)", "it holds the table shop.orders;"),
        ("create view sums as select 1 as one", "it holds the view public.sums;"),
        ("create sequence numbers", "it holds the sequence public.numbers;"),
        ("create function one() returns integer language sql as 'select 1'", "it holds the function public.one;"),
        ("create table alembic_version (version_num text)", "it holds the table public.alembic_version;"),
    ],
)
async def test_a_database_with_objects_of_another_program_is_refused(
    postgres_url: str, redis_url: str, statement: str, said: str
) -> None:
    run_sql(postgres_url, statement)
    with pytest.raises(CouldNotRunError, match=said):
        await require_empty(given(postgres_url, redis_url))


async def test_a_database_of_a_bank_with_data_is_refused(database_url: str, redis_url: str) -> None:
    run_sql(
        database_url,
        "insert into users (id, email, email_digest, full_name, password_hash, role, created_at, updated_at)"
        " values (gen_random_uuid(), 'enc1.0.-', sha256('a'), 'enc1.0.-', '-', 'ADMIN', now(), now())",
    )
    with pytest.raises(CouldNotRunError, match=r"already holds 1 user, .*; nothing was changed"):
        await require_empty(given(database_url, redis_url))


async def test_a_redis_with_data_is_refused(postgres_url: str, redis_url: str) -> None:
    with redis.Redis.from_url(redis_url) as client:
        client.set("mine", "1")
        with pytest.raises(CouldNotRunError, match="Redis already holds 1 key in this database; nothing was changed"):
            await require_empty(given(postgres_url, redis_url))
        assert client.keys() == [b"mine"]
