"""The URLs of the servers: URLs of libpq are accepted, and a URL that cannot be used is refused with one sentence."""

from urllib.parse import parse_qs, urlsplit

import pytest

from bank.server_urls import check_redis_url, read_postgres_url


def driver_parameters(url: str) -> dict[str, str]:
    """Return the parameters that the driver gets for a URL."""
    return {name: values[-1] for name, values in parse_qs(urlsplit(read_postgres_url(url).driver_url).query).items()}


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql://u:p@h:5433/bank", {"user": "u", "password": "p", "host": "h", "port": "5433"}),
        ("postgres://h/bank", {"host": "h"}),
        ("postgresql://u:p%40%2F%3A%25@h/bank", {"user": "u", "password": "p@/:%", "host": "h"}),
        ("postgresql://u:p@ss@h/bank", {"user": "u", "password": "p@ss", "host": "h"}),
        ("postgresql://u@[::1]:5433/bank", {"user": "u", "host": "[::1]", "port": "5433"}),
        ("postgresql://u@a,b:5433/bank", {"user": "u", "host": "a,b", "port": "5432,5433"}),
        ("postgresql:///bank?host=/run/postgresql&user=u", {"host": "/run/postgresql", "user": "u"}),
        ("postgresql://%2Frun%2Fpostgresql/bank", {"host": "/run/postgresql"}),
        ("postgresql://h/?dbname=bank", {"host": "h"}),
        ("postgresql://h/bank?sslmode=verify-ca&sslcrl=/a", {"host": "h", "sslmode": "verify-ca", "sslcrl": "/a"}),
        ("postgresql://h/bank?ssl=require", {"host": "h", "sslmode": "require"}),
        ("postgresql://h/bank?application_name=x&connect_timeout=3&channel_binding=prefer&sslmode=", {"host": "h"}),
    ],
)  # fmt: skip
def test_the_driver_gets_the_parameters_of_a_url(url: str, told: dict[str, str]) -> None:
    assert driver_parameters(url) == {**told, "database": "bank"}


def test_certificates_of_the_system_are_used_if_the_url_requires_them() -> None:
    assert read_postgres_url("postgresql://h/bank?sslmode=verify-full&sslrootcert=system").system_certificates
    assert read_postgres_url("postgresql://h/bank?ssl=true").system_certificates
    assert not read_postgres_url("postgresql://h/bank?sslmode=verify-full").system_certificates


@pytest.mark.parametrize(
    ("url", "sentence"),
    [
        ("", "must look like"),
        ("mysql://h/bank", "must look like"),
        ("postgresql://[::1/bank", "must look like"),
        ("postgresql://h:abc/bank", "port"),
        ("postgresql://h:99999/bank", "port"),
        ("postgresql://h:0/bank", "port"),
        ("postgresql://h:٥٤/bank", "port"),
        ("postgresql://a,b/bank?port=1,2,3", "as many ports as hosts"),
        ("postgresql://a,,b/bank", "empty"),
        ("postgresql://u:secret/word@h/bank", "port"),
        ("postgresql://u:secret#word@h/bank", "%23"),
        ("postgresql://u:secret word@h/bank", "%20"),
        ("postgresql://::1/bank", "brackets"),
        ("postgresql://h", "no database"),
        ("postgresql://h/", "no database"),
        ("postgresql://h/bank?sslmod=require", "did you mean sslmode"),
        ("postgresql://h/bank?search_path=x", "unknown parameter"),
        ("postgresql://h/bank?sslmode=require&sslmode=disable", "twice"),
        ("postgresql://h/bank?sslmode=yes", "none of disable, allow"),
        ("postgresql://h/bank?sslmode", "?name=value"),
        ("postgresql://h/bank?channel_binding=require", "cannot do"),
        ("postgresql://h/bank?sslmode=require&sslrootcert=system", "verify-full"),
        # A socket has no TLS. Without a host, the driver would also try sockets.
        ("postgresql:///bank?host=/run/postgresql&sslmode=require", "host name or address"),
        ("postgresql://h,%2Frun/bank?sslmode=verify-full", "host name or address"),
        ("postgresql:///bank?sslmode=require", "host name or address"),
    ],
)
def test_an_unusable_url_is_refused_without_its_password(url: str, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence.replace("?", r"\?")) as raised:
        read_postgres_url(url)
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    "url", ["redis://h", "redis://:p%40@h:6379/0", "rediss://u:p@[::1]:6380/1?ssl_cert_reqs=required", "unix:///r.sock?db=1"]
)  # fmt: skip
def test_redis_urls_of_every_form_are_accepted(url: str) -> None:
    check_redis_url(url)


@pytest.mark.parametrize(
    "url",
    ["http://h", "redis://h:abc/0", "redis://h:70000", "redis://h/x", "redis://h?db=x", "redis://[::1", "redis://h?dib=1",
     "unix://", "redis://h?protocol=x"],
)  # fmt: skip
def test_an_invalid_redis_url_is_one_sentence(url: str) -> None:
    with pytest.raises(ValueError, match=r"^(must|it (has|names)) "):
        check_redis_url(url)
