"""Connections to PostgreSQL: each of the bank's own, whatever for, is made here, and has what the bank relies on."""

import ssl
from collections.abc import Mapping
from typing import Any

import asyncpg

from bank.server_urls import PostgresServer, read_postgres_url
from bank.settings import SettingsError

# What the running bank works as, whoever it logs in as: the migrations say what it may.
ROLE = "bank_app"

# A server, a database or a role may have other defaults than PostgreSQL's; what a client says as it connects comes
# before them. `default_transaction_read_only` is left alone: an operator stops the writes with it, and so does a
# platform whose disk is nearly full.
SESSION: Mapping[str, str] = {
    # Statements of a batch see what was committed before each of them; a snapshot says so itself.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # What was acknowledged is on the disk; deliveries say for themselves that they need not wait.
    "synchronous_commit": "on",
    # Whoever uses these names means these tables.
    "search_path": "public",
    # A row that a policy hides is to be an error, not missing.
    "row_security": "off",
    # Texts made of values, in statements, migrations and `bank check`, are the same everywhere.
    "timezone": "UTC",
    "datestyle": "ISO, MDY",
    "intervalstyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "xmloption": "content",
    "client_encoding": "UTF8",
    "standard_conforming_strings": "on",
    "escape_string_warning": "on",
    "backslash_quote": "safe_encoding",
    "quote_all_identifiers": "off",
    "array_nulls": "on",
    "transform_null_equals": "off",
    # Each use bounds its statements itself; nothing else ends them, or an idle connection of a pool.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    # Tables that a migration makes are ordinary ones, and functions are checked.
    "default_table_access_method": "heap",
    "check_function_bodies": "on",
    # Plans of the short statements here gain nothing from compilation; generic ones are kept where they are as good.
    "jit": "off",
    "plan_cache_mode": "auto",
}


def read_url(url: str) -> PostgresServer:
    """Read a database's URL. Raises `SettingsError` with a sentence."""
    try:
        return read_postgres_url(url)
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL is wrong: {error}.") from None


def options_for(url: str, *, name: str, settings: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return what asyncpg makes a connection with: to which server, whether by TLS, and with which session.

    `name` is how the server calls the connection; `settings` come before those that every connection has.
    """
    server = read_url(url)
    options: dict[str, Any] = {
        "dsn": server.driver_url,
        "server_settings": {**SESSION, "application_name": name, **(settings or {})},
    }
    if server.system_certificates:
        options["ssl"] = ssl.create_default_context()
    return options


async def connect(url: str, *, name: str, settings: Mapping[str, str] | None = None, **options: Any) -> Any:
    """Make a connection. Raises what asyncpg raises, and `SettingsError` for a URL that is none."""
    return await asyncpg.connect(**options_for(url, name=name, settings=settings), **options)
