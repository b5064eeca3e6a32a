"""Parsing of the server URLs: they are checked at the start of the bank, and converted for the driver.

`DATABASE_URL` is a libpq URL: with several hosts, Unix sockets, IPv6, percent-encoded names and passwords, and
parameters. The message of every ValueError here continues a sentence about the URL, and quotes no password.
"""

import difflib
from collections.abc import Collection
from dataclasses import dataclass
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

POSTGRES_EXAMPLE = "must look like postgresql://user:password@host:5432/bank"
REDIS_EXAMPLE = "must look like redis://host:6379/0"

SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# The modes that refuse a connection without TLS.
TLS_ONLY = ("require", "verify-ca", "verify-full")
# The parameter `ssl` of SQLAlchemy and `databases`; true means Python's default TLS context, which verifies the server.
_SSL_WORDS = {"true": "verify-full", "false": "disable"}

# Parameters that are passed to the driver unchanged.
_DRIVER_PARAMETERS = (
    "host", "port", "user", "password", "passfile", "sslmode", "sslrootcert", "sslcert", "sslkey", "sslpassword",
    "sslcrl", "sslnegotiation", "ssl_min_protocol_version", "ssl_max_protocol_version", "target_session_attrs",
    "krbsrvname", "gsslib", "options",
)  # fmt: skip
# Parameters of libpq that are accepted but have no effect, because the bank sets its own names, time-outs and encoding.
_WITHOUT_EFFECT = (
    "application_name", "fallback_application_name", "connect_timeout", "client_encoding", "keepalives",
    "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout", "sslsni", "sslcompression",
    "gssencmode", "channel_binding",
)  # fmt: skip
_REDIS_PARAMETERS = (
    "db", "username", "password", "protocol", "client_name", "socket_keepalive", "health_check_interval",
    "ssl_cert_reqs", "ssl_ca_certs", "ssl_ca_path", "ssl_certfile", "ssl_keyfile", "ssl_check_hostname",
)  # fmt: skip
# Security features that the driver does not have. A URL that requires one must not be accepted silently.
_UNSUPPORTED = {"channel_binding": "require", "gssencmode": "require"}


@dataclass(frozen=True, slots=True)
class PostgresServer:
    """A database and its connection parameters.

    `driver_url` is the URL for asyncpg. `system_certificates` is true if the system's certificates verify the server.
    """

    driver_url: str
    user: str | None
    sslmode: str | None
    system_certificates: bool


def read_postgres_url(url: str) -> PostgresServer:
    """Parse a URL. Raises ValueError if it is invalid, or requires a feature that the driver does not have."""
    parts = _split(url, {"postgresql", "postgres"}, POSTGRES_EXAMPLE)
    given = _parameters(parts, (*_DRIVER_PARAMETERS, *_WITHOUT_EFFECT, "dbname", "database", "ssl"))
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
    system_certificates = _convert_tls(given)
    query = {name: value for name, value in given.items() if name in _DRIVER_PARAMETERS} | {"database": database}
    return PostgresServer(
        # Everything is a parameter, since sockets, several hosts and IPv6 need no special syntax then.
        driver_url=f"postgresql://?{urlencode(query)}",
        user=given.get("user"),
        sslmode=given.get("sslmode"),
        system_certificates=system_certificates,
    )


def check_redis_url(url: str) -> None:
    """Raise ValueError if the URL of a Redis server is invalid."""
    parts = _split(url, {"redis", "rediss", "unix"}, REDIS_EXAMPLE)
    given = _parameters(parts, _REDIS_PARAMETERS)
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
        # For example an IPv6 address without its closing bracket. The error may quote a password, so it is dropped.
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
        if _UNSUPPORTED.get(name) == value:
            raise ValueError(f"it asks for {name}={value}, which the driver cannot do")
        given[name] = value
    return {name: value for name, value in given.items() if value}


def _host_and_port(text: str) -> tuple[str, str]:
    """Split `host:port`, `[::1]:port`, or the percent-encoded path of a socket."""
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
            # The text is not quoted: it may be a user name and a part of a password.
            raise ValueError("it has a port that is no number from 1 to 65535 (in a password, / is %2F and @ is %40)")
    if len(numbers) not in {1, len(hosts)}:
        raise ValueError("it has not as many ports as hosts")


def _convert_tls(given: dict[str, str]) -> bool:
    """Convert the TLS parameters for the driver; return whether the system's certificates verify the server."""
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
