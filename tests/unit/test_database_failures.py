"""The meaning of a database error comes from the error classes of the server, not from a list of known exceptions."""

import socket
import ssl

import asyncpg
import pytest
from asyncpg.exceptions import OutdatedSchemaCacheError

from bank.database.failures import ends_connection, error_for_client, is_transient, is_unknown_at_commit, reason
from bank.errors import TransactionRolledBack


def error_of(sqlstate: str, severity: str = "ERROR") -> asyncpg.PostgresError:
    """Return the exception of the driver for this error of the server."""
    error = asyncpg.PostgresError.new({"C": sqlstate, "M": "something", "S": severity, "V": severity})
    assert isinstance(error, asyncpg.PostgresError)
    return error


PASSING = (
    "08000", "08003", "08006", "08P01", "25006", "40001", "40003", "40P01", "53000", "53100", "53200", "53300", "53400",
    "55000", "55006", "55P03", "57000", "57014", "58000", "58030", "58P01",
)  # fmt: skip
FATAL = ("25P03", "25P04", "57P01", "57P02", "57P03", "57P04", "57P05", "53300", "08006", "28000", "XX000")
BUGS = ("22P02", "22021", "23505", "23514", "42P01", "42501", "42703", "0A000", "54000", "XX000", "P0001")


@pytest.mark.parametrize("sqlstate", PASSING)
def test_an_error_that_is_not_about_the_statement_is_transient(sqlstate: str) -> None:
    told = error_for_client(error_of(sqlstate))
    assert is_transient(error_of(sqlstate))
    assert told is not None
    assert (told.code, told.retryable) == ("UNAVAILABLE", True)


@pytest.mark.parametrize("sqlstate", FATAL)
def test_an_error_that_ends_the_session_is_transient_and_ends_the_connection(sqlstate: str) -> None:
    error = error_of(sqlstate, "FATAL")
    assert ends_connection(error)
    assert is_transient(error)


@pytest.mark.parametrize("sqlstate", BUGS)
def test_an_error_about_the_statement_is_a_bug_and_is_raised(sqlstate: str) -> None:
    assert not is_transient(error_of(sqlstate))
    assert error_for_client(error_of(sqlstate)) is None


def test_an_unencodable_value_is_a_bug() -> None:
    assert error_for_client(asyncpg.DataError("invalid input for query argument $1")) is None
    assert error_for_client(asyncpg.InterfaceError("connection is closed")) is not None


@pytest.mark.parametrize(
    "error",
    [
        error_of("40001"),
        error_of("40P01"),
        error_of("25P03", "FATAL"),
        error_of("26000"),
        asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
        asyncpg.InvalidCachedStatementError("cached plan must not change result type"),
        OutdatedSchemaCacheError("unexpected data type"),
    ],
)
def test_a_transaction_rolled_back_for_concurrent_ones_may_be_retried_at_once(error: Exception) -> None:
    assert isinstance(error_for_client(error), TransactionRolledBack)


@pytest.mark.parametrize(
    ("error", "is_unknown"),
    [
        (error_of("08006"), True),
        (error_of("08007"), True),
        (error_of("40003"), True),
        (error_of("57P01", "FATAL"), True),
        (error_of("25P04", "FATAL"), True),
        (ConnectionResetError(), True),
        (TimeoutError(), True),
        (asyncpg.InterfaceError("connection is closed"), True),
        (asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"), True),
        # Each of these is rolled back. A session that was ended for being idle had not received the COMMIT.
        (error_of("25P03", "FATAL"), False),
        (error_of("40001"), False),
        (error_of("53100"), False),
        (error_of("23514"), False),
        (error_of("25006"), False),
    ],
)
def test_a_commit_is_unknown_only_if_the_server_may_have_executed_it(error: Exception, is_unknown: bool) -> None:
    assert is_unknown_at_commit(error) is is_unknown


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (error_of("57P03", "FATAL"), "something"),
        (error_of("42501"), "something"),
        (error_of("3D000", "FATAL"), "something"),
        (error_of("28000", "FATAL"), "it refuses the user, the password or the way of the login (SQLSTATE 28000)"),
        (error_of("23505"), "UniqueViolationError (SQLSTATE 23505)"),
        (error_of("22P02"), "InvalidTextRepresentationError (SQLSTATE 22P02)"),
        (ConnectionRefusedError(111, "Connect call failed ('10.0.0.7', 5432)"), "connection refused"),
        (OSError("Multiple exceptions: [Errno 111] Connect call failed ('10.0.0.7', 5432)"), "no connection can be"),
        (ConnectionError('PostgreSQL server at "10.0.0.7:5432" rejected SSL upgrade'), "it does not speak TLS, which"),
        (socket.gaierror(-2, "Name or service not known"), "the name of its host is not known"),
        (ssl.SSLCertVerificationError(1, "hostname mismatch, certificate is not valid for '10.0.0.7'"), "its certif"),
        (TimeoutError(), "it did not answer in time"),
        (asyncpg.DataError("invalid input for query argument $1: '10.0.0.7'"), "DataError (SQLSTATE 22000)"),
        (asyncpg.ClientConfigurationError("invalid DSN: 10.0.0.7"), "the driver cannot use the connection"),
    ],
)
def test_the_reason_in_the_log_contains_no_row_address_or_url(error: BaseException, end: str) -> None:
    assert reason(error).startswith(end)
    assert "10.0.0.7" not in reason(error)
