"""Settings from the environment, checked at the start.

Every setting is an environment variable. The bank does not start with a wrong one: a message names it and the valid
values.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from difflib import get_close_matches
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from bank.secrets import SECRETS, SecretError, read_secret, weakness_of_secret
from bank.server_urls import check_redis_url, read_postgres_url


class SettingsError(Exception):
    """A setting is missing or wrong. The message names it and the valid values."""


def checked_postgres_url(value: str) -> str:
    """Return the URL of a PostgreSQL database. Raises ValueError for anything else."""
    read_postgres_url(value)
    return value


def checked_redis_url(value: str) -> str:
    """Return the URL of a Redis database. Raises ValueError for anything else."""
    check_redis_url(value)
    return value


def _strong_secret(value: SecretStr) -> SecretStr:
    if weakness := weakness_of_secret(value.get_secret_value()):
        raise ValueError(weakness)
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


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A limit on operations: at most `quota` at once; the quota that was used is restored within `window_s` seconds."""

    quota: int
    window_s: int


# A document has up to 20 operations, and a smaller quota would never admit it.
QUOTA_MIN = 20
# One operation takes at least a microsecond of the window, the unit in which Redis counts.
_QUOTA_MAX = 1_000_000
_RATE_LIMIT = re.compile(r"([0-9]{1,7})/([0-9]{1,5})", re.ASCII)


def _rate_limit(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _RATE_LIMIT.fullmatch(value.strip())
    quota, window_s = (int(match[1]), int(match[2])) if match else (0, 0)
    if not (QUOTA_MIN <= quota <= _QUOTA_MAX and 1 <= window_s <= 86_400):
        raise ValueError(
            f"must be operations and seconds such as 300/150, with {QUOTA_MIN} to {_QUOTA_MAX} operations and 1 to "
            "86400 seconds"
        )
    return RateLimit(quota, window_s)


RateLimitSetting = Annotated[RateLimit, NoDecode, BeforeValidator(_rate_limit)]
HostAndPort = Annotated[tuple[str, int], NoDecode, BeforeValidator(_host_and_port)]
Networks = Annotated[tuple[IPv4Network | IPv6Network, ...], NoDecode, BeforeValidator(_networks)]
# An amount in reais, up to the largest amount of a posting.
Amount = Annotated[Decimal, Field(ge=0, decimal_places=2, le=Decimal("999999999.99"))]


class Settings(BaseSettings):
    """The bank's settings, each with its default and bounds. The variable of `log_level` is BANK_LOG_LEVEL."""

    model_config = SettingsConfigDict(env_prefix="BANK_", extra="ignore", frozen=True, populate_by_name=True)

    database_url: Annotated[str, AfterValidator(checked_postgres_url)] = Field(validation_alias="DATABASE_URL")
    redis_url: Annotated[str, AfterValidator(checked_redis_url)] = Field(validation_alias="REDIS_URL")
    # The secret that signs access tokens; all workers need the same one.
    token_secret: Annotated[SecretStr, AfterValidator(_strong_secret)]
    # The secret that wraps the keys of personal data. Without it, what is encrypted in the database cannot be read.
    master_key: Annotated[SecretStr, AfterValidator(_strong_secret)]

    # A transaction needs one connection. A worker has one posting batch, a few subscribers and the reads in flight.
    # With more connections than PostgreSQL has cores, the work would only queue inside the server instead of here.
    database_pool_size: int = Field(default=12, ge=4, le=200)
    # Long enough for a short overload, and short enough that a client gets OVERLOADED before its own time-out.
    database_pool_timeout_ms: int = Field(default=1_000, ge=10, le=60_000)
    # No statement of the bank needs a second. A longer one would hold locks that other statements wait for.
    database_statement_timeout_ms: int = Field(default=5_000, ge=100, le=60_000)
    # A local Redis responds in 0.2 ms. After this time-out, the database is faster.
    redis_timeout_ms: int = Field(default=50, ge=1, le=10_000)

    # The limits per transfer and per day of an account without its own limits. The defaults are generous; an operator
    # should lower them.
    transfer_limit: Amount = Decimal("1000000.00")
    daily_limit: Amount = Decimal("5000000.00")
    # The fees, which are charged on top of the amount.
    transfer_fee: Amount = Decimal("0.00")
    withdrawal_fee: Amount = Decimal("0.00")
    # Card schemes give a shop a week to send the goods. The longest time that a client may request is in
    # `bank.holds.authorize`.
    hold_days: int = Field(default=7, ge=1, le=30)
    # Above this amount, staff need the approval of a second person for a deposit, a withdrawal or a reversal for a
    # customer. From R$ 50,000.00 on, banks in Brazil report deposits and withdrawals in cash (Circular BCB 3.978/2020,
    # art. 49). With 0.00, each of them needs it.
    approval_above: Amount = Decimal("50000.00")
    # A day and a night, so that the next shift can still decide. At most a week, because what is approved after a
    # longer time is no longer what was asked for.
    approval_hours: int = Field(default=24, ge=1, le=7 * 24)

    # Above this amount, a payment needs a fresh code of the second factor. A fifth of the amount for which staff need a
    # second person: more than rents, salaries and most bills, and little enough that a stolen session is no fortune.
    step_up_above: Amount = Decimal("10000.00")
    # Enough to confirm a payment that was begun, or a few in a row. A session that is stolen later has no fresh code.
    step_up_minutes: int = Field(default=5, ge=1, le=60)

    access_token_minutes: int = Field(default=15, ge=1, le=24 * 60)
    refresh_token_days: int = Field(default=30, ge=1, le=365)
    # More programs and devices than a person uses at once. At most 100, which is one page of the list of sessions.
    sessions_per_user: int = Field(default=10, ge=1, le=100)
    # Clients repeat a request whose response was lost within seconds. A thief can use this time as well, so it is five
    # minutes at most. With 0, every second use closes the session.
    refresh_token_grace_s: int = Field(default=30, ge=0, le=300)
    # Clients retry within hours; a week also covers a client that was off for a long weekend. At least a day, because a
    # retry after its key was deleted pays twice.
    idempotency_retention_days: int = Field(default=7, ge=1, le=365)
    # An operator can move the money of every customer, so that a stolen password must not be enough. Optional is for
    # tests and simulations on one machine.
    staff_second_factor: Literal["required", "optional"] = "required"
    # The operator's own proxies. The client addresses that they append to X-Forwarded-For are trusted and recorded.
    trusted_proxies: Networks = ()
    # The key that signs the heads of the audit chain, and the file for them outside of the database. Both or neither.
    audit_key_file: Path | None = None
    audit_heads_file: Path | None = None
    # Rows after the last head can still be forged. With the default these are the rows of a minute, for half a megabyte
    # of heads a day.
    audit_interval_s: float = Field(default=60.0, ge=1, le=86_400)
    # The register of erasures, outside of the database, so that a restored backup brings no erased person back.
    erasures_file: Path | None = None
    # Metrics show the load and the failed logins. Without an address of their own they are served on the API's port, to
    # clients on this machine only.
    metrics_address: HostAndPort | None = None
    # Far more than a browser or an office opens; with the default limit of open files, a tenth of all connections.
    connections_per_address: int = Field(default=1_000, ge=1, le=100_000)
    # Rate limits, per client address and, if somebody is logged in, per person. The defaults are generous; an operator
    # should lower them. A phone company puts thousands of people behind one address.
    #
    # A login takes 45 ms of a core for hashing. So one address gets a tenth of a core, and 170,000 attempts a day.
    rate_limit_login: RateLimitSetting = RateLimit(300, 150)
    # A registration hashes too, and its rows stay forever. An office that registers its employees is one address.
    rate_limit_registration: RateLimitSetting = RateLimit(200, 400)
    # An export reads up to 20,000 rows and decrypts them, which takes as long as a few hundred payments.
    rate_limit_export: RateLimitSetting = RateLimit(20, 600)
    # A person does not send ten payments in a second, but the program of a company does. 500 in a second are a half of
    # what a worker writes.
    rate_limit_money_person: RateLimitSetting = RateLimit(5_000, 10)
    rate_limit_money_address: RateLimitSetting = RateLimit(10_000, 10)
    # A half of the cached reads, and about all, that a worker answers in a second.
    rate_limit_read_person: RateLimitSetting = RateLimit(10_000, 10)
    rate_limit_read_address: RateLimitSetting = RateLimit(20_000, 10)
    # The operator's own load generators and batch programs. None by default, since an address alone is no proof.
    rate_limit_exempt: Networks = ()
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    # The time for requests in flight to finish after SIGTERM. Supervisors usually kill after 30 s.
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
    def refresh_token_grace(self) -> timedelta:
        """The time after the use of a refresh token in which it returns the same successor."""
        return timedelta(seconds=self.refresh_token_grace_s)

    @property
    def idempotency_retention(self) -> timedelta:
        """The shortest time for which an idempotency key is stored."""
        return timedelta(days=self.idempotency_retention_days)


# Variables that other parts read. And Kubernetes sets BANK_PORT and BANK_SERVICE_… in every container if a service is
# called `bank`.
_ALSO_KNOWN = (
    "BANK_TOKEN_SECRET_FILE",
    "BANK_MASTER_KEY_FILE",
    "BANK_AUDIT_PUBLIC_KEY_FILE",
    "BANK_POSTGRES_IMAGE",
    "BANK_REDIS_IMAGE",
)
_OF_KUBERNETES = re.compile(r"BANK_(PORT|SERVICE)(_.*)?")


@dataclass(frozen=True, slots=True)
class UnknownSetting:
    """An environment variable with the prefix of a setting that is none, and the setting with the most similar name."""

    name: str
    nearest: str | None


def unknown_settings(environment: Mapping[str, str]) -> list[UnknownSetting]:
    """Return the variables `BANK_…` that are not read, which are probably typing errors."""
    known = [*(f"BANK_{name.upper()}" for name in Settings.model_fields), *_ALSO_KNOWN]
    unknown = [
        name
        for name in sorted(environment)
        if name.startswith("BANK_") and name not in known and not _OF_KUBERNETES.fullmatch(name)
    ]
    return [UnknownSetting(name, next(iter(get_close_matches(name, known, n=1)), None)) for name in unknown]


def load_master_key() -> str:
    """Return the master key of the environment. Raises `SettingsError` if it is missing or weak."""
    value = _read_secrets().get("master_key")
    if value is None:
        raise SettingsError("BANK_MASTER_KEY is not set.")
    if weakness := weakness_of_secret(value):
        raise SettingsError(f"BANK_MASTER_KEY is wrong: {weakness}.")
    return value


def load_exempt_networks() -> Networks:
    """Return the networks of `BANK_RATE_LIMIT_EXEMPT`. Raises `SettingsError` if it is wrong."""
    try:
        networks: Any = _networks(os.environ.get("BANK_RATE_LIMIT_EXEMPT", ""))
    except ValueError as error:
        raise SettingsError(f"BANK_RATE_LIMIT_EXEMPT is wrong: {error}.") from None
    return networks  # type: ignore[no-any-return]


def _read_secrets() -> dict[str, str]:
    """Return the secrets that are set, by the names of their settings. Raises `SettingsError`."""
    try:
        found = {name: read_secret(variable) for name, variable in SECRETS.items()}
    except SecretError as error:
        raise SettingsError(str(error)) from None
    return {name: value for name, value in found.items() if value is not None}


def load_settings() -> Settings:
    """Read the settings from the environment.

    Raises `SettingsError` with one sentence for each missing or wrong setting.
    """
    secrets: Any = _read_secrets()
    try:
        return Settings(**secrets)
    except ValidationError as error:
        raise SettingsError(" ".join(_sentence(detail) for detail in error.errors())) from None


def _sentence(detail: object) -> str:
    assert isinstance(detail, dict)
    name = str(detail["loc"][0])
    variable = SECRETS.get(name) or (name if name.isupper() else f"BANK_{name.upper()}")
    if detail["type"] == "missing":
        return f"{variable} is not set."
    message = str(detail["msg"]).removeprefix("Value error, ")
    return f"{variable} is wrong: {message[0].lower()}{message[1:]}."
