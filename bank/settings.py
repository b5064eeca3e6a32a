"""Settings from the environment, checked at start.

Every setting is an environment variable. A wrong one stops the start with one sentence that names it and says what
would be right.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bank.server_urls import check_redis_url, read_postgres_url


class SettingsError(Exception):
    """A setting is missing or wrong; the message names it and says what would be right."""


def checked_postgres_url(value: str) -> str:
    """Return the URL of a PostgreSQL database. Raises ValueError for anything else."""
    read_postgres_url(value)
    return value


def checked_redis_url(value: str) -> str:
    """Return the URL of a Redis database. Raises ValueError for anything else."""
    check_redis_url(value)
    return value


def _strong_secret(value: SecretStr) -> SecretStr:
    # HMAC-SHA-256 is as strong as its key up to 32 bytes (RFC 7518, 3.2).
    if len(value.get_secret_value().encode()) < 32:
        raise ValueError("must be at least 32 bytes of randomness, for example from `openssl rand -hex 32`")
    return value


def _networks(value: object) -> object:
    if not isinstance(value, str):
        return value
    try:
        return tuple([ip_network(part.strip()) for part in value.split(",") if part.strip()])
    except ValueError:
        raise ValueError("must be addresses and networks such as 10.0.0.0/8, separated by commas") from None


def _host_and_port(value: object) -> object:
    if not isinstance(value, str):
        return value
    host, colon, port = value.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and colon and port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError("must be an address and a port such as 127.0.0.1:9464 or [::1]:9464")
    return host, int(port)


HostAndPort = Annotated[tuple[str, int], NoDecode, BeforeValidator(_host_and_port)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]
# An amount in reais; the most is what one posting may move.
Amount = Annotated[Decimal, Field(ge=0, decimal_places=2, le=Decimal("999999999.99"))]


class Settings(BaseSettings):
    """The bank's settings, each with its environment variable, default and bounds."""

    model_config = SettingsConfigDict(env_prefix="BANK_", extra="ignore", frozen=True, populate_by_name=True)

    database_url: Annotated[str, AfterValidator(checked_postgres_url)] = Field(validation_alias="DATABASE_URL")
    redis_url: Annotated[str, AfterValidator(checked_redis_url)] = Field(validation_alias="REDIS_URL")
    # Signs access tokens; every worker needs the same one.
    token_secret: Annotated[SecretStr, AfterValidator(_strong_secret)]

    # One transaction needs one connection; a worker has one posting batch, a few subscribers and the reads in flight.
    # More than PostgreSQL has cores only queues inside the server instead of here.
    database_pool_size: int = Field(default=12, ge=4, le=200)
    # Long enough for a busy moment, short enough that a client gets OVERLOADED before it gives up.
    database_pool_timeout_ms: int = Field(default=1_000, ge=10, le=60_000)
    # No statement of the bank takes a second; one that does holds locks that others wait for.
    database_statement_timeout_ms: int = Field(default=5_000, ge=100, le=60_000)
    # A local Redis answers in 0.2 ms; past this the database is the faster cache.
    redis_timeout_ms: int = Field(default=50, ge=1, le=10_000)

    # What may leave an account that has no limits of its own, at once and in a day: generous, to be narrowed.
    transfer_limit: Amount = Decimal("1000000.00")
    daily_limit: Amount = Decimal("5000000.00")
    # What the bank charges for each, on top of the amount.
    transfer_fee: Amount = Decimal("0.00")
    withdrawal_fee: Amount = Decimal("0.00")
    # Card schemes give a shop a week to send the goods; `bank.holds.authorize` has the most a client may ask for.
    hold_days: int = Field(default=7, ge=1, le=30)

    access_token_minutes: int = Field(default=15, ge=1, le=24 * 60)
    refresh_token_days: int = Field(default=30, ge=1, le=365)
    # Whoever retries does it within hours; a week bears a client that was off for a long weekend. A day is the least:
    # a key that is forgotten too early pays twice.
    idempotency_retention_days: int = Field(default=7, ge=1, le=365)
    # Proxies of one's own: what they say in X-Forwarded-For of where a request comes from is believed and on record.
    trusted_proxies: Networks = ()
    # Both or neither: with what the heads of the audit chain are signed, and the file outside of the database for them.
    audit_key_file: Path | None = None
    audit_heads_file: Path | None = None
    # What was written since the last head can still be forged: a minute of it, for half a megabyte of heads a day.
    audit_interval_s: float = Field(default=60.0, ge=1, le=86_400)
    # Metrics say how much is going on and which logins fail. Without an address of their own they are on the API's
    # port, for this machine alone.
    metrics_address: HostAndPort | None = None
    # Far above what a browser or an office opens, and with the default limit of files a tenth of all.
    connections_per_address: int = Field(default=1_000, ge=1, le=100_000)
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # Requests in flight get this long to finish after SIGTERM; supervisors usually kill after 30 s.
    shutdown_timeout_s: float = Field(default=20.0, gt=0, le=300)

    @property
    def access_token_life(self) -> timedelta:
        """The lifetime of an access token."""
        return timedelta(minutes=self.access_token_minutes)

    @property
    def refresh_token_life(self) -> timedelta:
        """The lifetime of a refresh token."""
        return timedelta(days=self.refresh_token_days)

    @property
    def idempotency_retention(self) -> timedelta:
        """The shortest time for which an idempotency key is stored."""
        return timedelta(days=self.idempotency_retention_days)


# What other parts read, and what is no setting: Kubernetes gives every container BANK_PORT and BANK_SERVICE_… where a
# service is called `bank`.
_ALSO_KNOWN = ("BANK_AUDIT_PUBLIC_KEY_FILE", "BANK_POSTGRES_IMAGE", "BANK_REDIS_IMAGE")
_OF_KUBERNETES = re.compile(r"BANK_(PORT|SERVICE)(_.*)?")


@dataclass(frozen=True, slots=True)
class UnknownSetting:
    """An environment variable that looks like a setting of the bank and is none, and the setting it is nearest to."""

    name: str
    nearest: str | None


def unknown_settings(environment: Mapping[str, str]) -> list[UnknownSetting]:
    """Return the variables `BANK_…` that nothing reads, most likely typing errors."""
    known = [*(f"BANK_{name.upper()}" for name in Settings.model_fields), *_ALSO_KNOWN]
    unknown = [
        name
        for name in sorted(environment)
        if name.startswith("BANK_") and name not in known and not _OF_KUBERNETES.fullmatch(name)
    ]
    return [UnknownSetting(name, next(iter(get_close_matches(name, known, n=1)), None)) for name in unknown]


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises `SettingsError` with a sentence for every setting that is missing or wrong.
    """
    try:
        return Settings()
    except ValidationError as error:
        raise SettingsError(" ".join(_sentence(detail) for detail in error.errors())) from None


def _sentence(detail: object) -> str:
    assert isinstance(detail, dict)
    name = str(detail["loc"][0])
    variable = name if name.isupper() else f"BANK_{name.upper()}"
    if detail["type"] == "missing":
        return f"{variable} is not set."
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{variable} is wrong: {message[0].lower()}{message[1:]}."
