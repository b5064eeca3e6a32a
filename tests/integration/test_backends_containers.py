"""The two servers as containers. Skipped if no container engine answers or the images are not on this machine."""

from collections.abc import Iterator
from pathlib import Path

import asyncpg
import docker
import pytest
import redis

from fixtures.backends import Backend, open_backend
from fixtures.backends.containers import POSTGRES_IMAGE, REDIS_IMAGE, engine_trouble
from fixtures.backends.reach import run_sql


@pytest.fixture(scope="module")
def engine() -> Iterator[docker.DockerClient]:
    if trouble := engine_trouble():
        pytest.skip(f"no container engine answers: {trouble}")
    client = docker.from_env()
    for image in (POSTGRES_IMAGE, REDIS_IMAGE):
        if not client.images.list(image):
            pytest.skip(f"the image {image} is not here; fetch it with `docker pull {image}`")
    yield client
    client.close()


@pytest.fixture
def containers(engine: docker.DockerClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Backend]:
    # The reaper would need a third image, so this fixture verifies that the containers are removed.
    monkeypatch.setenv("TESTCONTAINERS_RYUK_DISABLED", "true")
    before = {container.id for container in engine.containers.list(all=True)}
    with open_backend("containers", folder=tmp_path / "unused") as backend:
        yield backend
    assert {container.id for container in engine.containers.list(all=True)} <= before
    assert not (tmp_path / "unused").exists()


def test_containers_run_with_our_settings_and_are_removed(containers: Backend) -> None:
    assert run_sql(containers.database_url, "select current_database()")[0][0] == "bank"
    for name, value in (("log_lock_waits", "on"), ("log_error_verbosity", "terse"), ("timezone", "UTC")):
        assert run_sql(containers.database_url, f"show {name}")[0][0] == value
    with redis.Redis.from_url(containers.redis_url) as client:
        assert client.ping()
        assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "allkeys-lru"}
    assert "PostgreSQL 18" in containers.describe()
    assert containers.postgres is None

    # The log has the error, as with the embedded server, but no private values.
    run_sql(containers.database_url, "create table people (cpf text unique)")
    run_sql(containers.database_url, "insert into people select '529' || '98224725'")
    with pytest.raises(asyncpg.UniqueViolationError):
        run_sql(containers.database_url, "insert into people select '529' || '98224725'")
    log = containers.postgres_log() or ""
    assert "duplicate key value" in log
    assert "52998224725" not in log


def test_given_addresses_are_used_unchanged(containers: Backend, tmp_path: Path) -> None:
    with open_backend(
        "external", folder=tmp_path, database_url=containers.database_url, redis_url=containers.redis_url
    ) as external:
        assert (external.database_url, external.redis_url) == (containers.database_url, containers.redis_url)
        assert ":bank@" not in external.describe()
        assert external.postgres_log() is None
    assert run_sql(containers.database_url, "select 1")[0][0] == 1
