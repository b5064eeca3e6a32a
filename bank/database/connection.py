"""Connections to PostgreSQL. All connections of the bank are made here, with the session settings that it needs."""

import ssl
from collections.abc import Mapping
from typing import Any

import asyncpg

from bank.server_urls import PostgresServer, read_postgres_url
from bank.settings import SettingsError

# The role of the running bank, whatever user it logs in as. The migrations grant its privileges.
ROLE = "bank_app"

# A server, a database or a role may have other defaults than PostgreSQL's; the settings of a connection override them.
# `default_transaction_read_only` is not set, because operators use it to stop all writes, and so do platforms whose
# disk is nearly full.
SESSION: Mapping[str, str] = {
    # Each statement of a batch has to see all earlier commits. Read snapshots set their isolation level themselves.
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    # Acknowledged commits have to be on the disk. Deliveries set for themselves that they need not wait.
    "synchronous_commit": "on",
    # The names of tables always mean the bank's tables.
    "search_path": "public",
    # A policy that hides rows has to cause an error, not missing rows.
    "row_security": "off",
    # Statements, migrations and `bank check` have to render values as the same texts on every server.
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
    # Each use of a connection sets its own time-outs; no other ones end statements, or idle connections of a pool.
    "statement_timeout": "0",
    "lock_timeout": "0",
    "transaction_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
    # Migrations create ordinary tables, and functions whose bodies are checked.
    "default_table_access_method": "heap",
    "check_function_bodies": "on",
    # The bank's short statements gain nothing from compilation. Generic plans are used where they are as good.
    "jit": "off",
    "plan_cache_mode": "auto",
}


def read_url(url: str) -> PostgresServer:
    """Parse the URL of a database. Raises `SettingsError` if it is invalid."""
    try:
        return read_postgres_url(url)
    except ValueError as error:
        raise SettingsError(f"DATABASE_URL is wrong: {error}.") from None


def options_for(url: str, *, name: str, settings: Mapping[str, str] | None = None) -> dict[str, Any]:
    """Return the options of `asyncpg.connect`: the server, TLS, and the session settings.

    `name` is the application name that the server shows; `settings` override those of every connection.
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
    """Open a connection. Raises the errors of asyncpg, and `SettingsError` for an invalid URL."""
    return await asyncpg.connect(**options_for(url, name=name, settings=settings), **options)
