"""The URLs of the servers, read in one place: checked when the bank starts, and in the form that the driver takes.

`DATABASE_URL` is a URL as libpq takes it: several hosts, Unix sockets, IPv6, percent-encoded names and passwords, and
its parameters. Every ValueError here is the end of a sentence about the URL, and quotes no password.
"""

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

POSTGRES_EXAMPLE = "must look like postgresql://user:password@host:5432/bank"
REDIS_EXAMPLE = "must look like redis://host:6379/0"

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# In these a connection without TLS is none.
TLS_ONLY = ("require", "verify-ca", "verify-full")
# `ssl`, as SQLAlchemy and `databases` have it; true is what Python calls a default context.
_SSL_WORDS = {"true": "verify-full", "false": "disable"}

# Handed to the driver as they are.
_DRIVERS = (
    "host", "port", "user", "password", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword",
    "sslcrl", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs",
    "krbsrvname", "gsslib", "options",
)  # fmt: skip
# What libpq takes as well and what changes nothing here: the bank has its own names, time-outs and encoding.
_WITHOUT_EFFECT = (
    "application_name", "fallback_application_name", "connect_timeout", "client_encoding", "keepalives",
    "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "sslsni", "sslcompression",
    "gssencmode", "channel_binding",
)  # fmt: skip
_REDIS = (
    "db", "username", "password", "protocol", "client_name", "socket_keepalive", "health_check_interval",
    "ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname",
)  # fmt: skip
# Asking for more than the driver can do must not be granted in silence.
_NOT_TO_BE_HAD = {"channel_binding": "require", "gssencmode": "require"}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A database and how to reach it. `driver_url` is for asyncpg; `system_certificates` where those are to vouch."""

    driver_url: str
    user: str | None
    sslmode: str | None
    system_certificates: bool


def read_postgres_url(url: str) -> PostgresServer:
    """Read a URL. Raises ValueError for one that no connection can be made with as it asks."""
    parts = _split(url, {"postgresql", "postgres"}, POSTGRES_EXAMPLE)
    given = _parameters(parts, (*_DRIVERS, *_WITHOUT_EFFECT, "dbname", "database", "ssl"))
    login, _, hosts = parts.netloc.rpartition("@")
    user, _, password = login.partition(":")
    for name, value in (("user", user), ("password", password)):
        if value:
            given[name] = unquote(value)
    if hosts:
        found, ports = zip(*[_host_and_port(one) for one in hosts.split(",")], strict=True)
        given["host"] = ",".join(found)
        if any(ports):
            given["port"] = ",".join(port or given.get("port", "5432") for port in ports)
    names = given["host"].split(",") if "host" in given else []
    if not all(names):
        raise ValueError("it names a host that is empty")
    if "port" in given:
        _check_ports(given["port"], names)
    if names:
        given["host"] = ",".join(f"[{name}]" if ":" in name and name[:1] not in "[/" else name for name in names)
    database = unquote(parts.path.removeprefix("/")) or given.pop("dbname", "") or given.pop("database", "")
    given = {name: value for name, value in given.items() if name not in {"dbname", "database"}}
    if not database:
        raise ValueError(f"it names no database, but {POSTGRES_EXAMPLE}")
    has_system = _take_tls(given)
    query = {name: value for name, value in given.items() if name in _DRIVERS} | {"database": database}
    return PostgresServer(
        # A socket's path, several hosts, IPv6: as parameters none of them needs a syntax of its own.
        driver_url=f"postgresql://?{urlencode(query)}",
        user=given.get("user"),
        sslmode=given.get("sslmode"),
        system_certificates=has_system,
    )


def check_redis_url(url: str) -> None:
    """Raise ValueError for a URL that no connection to Redis can be made with."""
    parts = _split(url, {"redis", "rediss", "unix"}, REDIS_EXAMPLE)
    given = _parameters(parts, _REDIS)
    for name in ("db", "protocol", "health_check_interval"):
        if not (given.get(name, "0").isascii() and given.get(name, "0").isdigit()):
            raise ValueError(f"it has a {name} that is no number")
    if parts.scheme == "unix":
        if not parts.path.strip("/"):
            raise ValueError("it names no socket: it must look like unix:///run/redis.sock?db=0")
        return
    host, port = _host_and_port(parts.netloc.rpartition("@")[2])
    if port:
        _check_ports(port, [host])
    number = parts.path.strip("/")
    if number and not (number.isascii() and number.isdigit()):
        raise ValueError(f"it has a database that is no number, but {REDIS_EXAMPLE}")


def _split(url: str, schemes: set[str], example: str) -> SplitResult:
    if any(ord(letter) < 33 or ord(letter) == 127 for letter in url):
        raise ValueError(f"it has a space or a control character in it, which is written %20; it {example}")
    try:
        parts = urlsplit(url)
    except ValueError:
        # An IPv6 address without its second bracket, and the like; the error quotes what may be a password.
        raise ValueError(example) from None
    if parts.scheme not in schemes:
        raise ValueError(example)
    if parts.fragment:
        raise ValueError("it has a # in it, which is written %23 in a password")
    return parts


def _parameters(parts: SplitResult, known: Collection[str]) -> dict[str, str]:
    try:
        pairs = parse_qsl(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        raise ValueError("it has parameters that are not of the form ?name=value&name=value") from None
    given: dict[str, str] = {}
    for name, value in pairs:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ValueError(
                f"it has an unknown parameter {name[:40]}" + (f": did you mean {near[0]}?" if near else "")
            )
        if name in given:
            raise ValueError(f"it has the parameter {name} twice")
        if _NOT_TO_BE_HAD.get(name) == value:
            raise ValueError(f"it asks for {name}={value}, which the driver cannot do")
        given[name] = value
    return {name: value for name, value in given.items() if value}


def _host_and_port(text: str) -> tuple[str, str]:
    """Split `host:port`, `[::1]:port` or an encoded path of a socket."""
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise ValueError("it has an IPv6 address that is not of the form [::1]:5432")
        return unquote(host), rest.removeprefix(":")
    host, _, port = text.partition(":")
    if ":" in port:
        raise ValueError("it has an IPv6 address without brackets, or a : in a user's name, which is written %3A")
    return unquote(host), port


def _check_ports(ports: str, hosts: list[str]) -> None:
    numbers = ports.split(",")
    for port in numbers:
        if not (port.isascii() and port.isdigit() and 1 <= int(port[:6]) <= 65_535):
            # What looks like a host and a port may be a user and half of a password.
            raise ValueError("it has a port that is no number from 1 to 65535 (in a password, / is %2F and @ is %40)")
    if len(numbers) not in {1, len(hosts)}:
        raise ValueError("it has not as many ports as hosts")


def _take_tls(given: dict[str, str]) -> bool:
    """Bring what is asked of TLS to what the driver takes; return whether the system's certificates are to vouch."""
    word = given.pop("ssl", None)
    if word is not None:
        given.setdefault("sslmode", _SSL_WORDS.get(word, word))
    mode = given.get("sslmode")
    if mode is not None and mode not in SSL_MODES:
        raise ValueError(f"it has an sslmode that is none of {', '.join(SSL_MODES)}")
    if mode in TLS_ONLY and (
        not given.get("host") or any(host[:1] in {"/", "@", ""} for host in given["host"].split(","))
    ):
        raise ValueError(f"it asks for sslmode={mode}, which only a server at a host name or address can do")
    if word == "true" and "sslrootcert" not in given:
        given["sslrootcert"] = "system"
    if given.get("sslrootcert") != "system":
        return False
    if mode != "verify-full":
        raise ValueError("it asks for sslrootcert=system, which is for sslmode=verify-full alone")
    del given["sslrootcert"]
    return True
