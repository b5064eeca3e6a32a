"""Classification of the errors of PostgreSQL, its driver and the socket, by SQLSTATE.

The classes are those of PostgreSQL's appendix A. An error that is in none of the lists here is about the statement, and
thus a bug.
"""

import os
import socket
import ssl

import asyncpg
from asyncpg.exceptions import InternalClientError, OutdatedSchemaCacheError

from bank.errors import BankError, TransactionRolledBack, Unavailable

# The errors of the driver and the socket if the server is down, restarting or out of connections.
CONNECTION_LOST = (
    OSError,
    asyncpg.InterfaceError,
    # asyncpg raises this for a statement on a connection whose end it has not noticed yet.
    InternalClientError,
    asyncpg.PostgresConnectionError,
)

# The session has ended, or ends with this error: connection exceptions, too many connections, time-outs that end a
# session, shutdown, crash, start, and a dropped database.
_SESSION_ENDS = ("08", "53300", "25P03", "25P04", "57P")
# The server has become a replica, or is set to read-only.
_READ_ONLY = "25006"
# PostgreSQL has rolled back the transaction for reasons outside of the statement: conflicts (deadlock, serialization),
# resources (disk, memory, connections, limits), objects in use and locks, operator and time-outs, system and I/O.
_TRANSIENT = (*_SESSION_ENDS, _READ_ONLY, "40", "53", "55", "57", "58")
# The server may have committed nevertheless; 08007 and 40003 mean exactly this.
_UNKNOWN_OUTCOME = ("08", "40003", "57P")
# The session does not have the prepared statement (any more).
_NO_STATEMENT = "26000"
# Rolled back because of concurrent transactions, or between two statements: the same may succeed at once.
_RETRY_AT_ONCE = ("25P03", "40001", "40P01", _NO_STATEMENT)

ROLLED_BACK = "The database undid this in the middle; try again."
"""The message of `TransactionRolledBack`."""


def sqlstate(error: BaseException) -> str:
    """Return the SQLSTATE of an error, or an empty text for an error that is not the server's."""
    return (error.sqlstate or "") if isinstance(error, asyncpg.PostgresError) else ""


def ends_connection(error: BaseException) -> bool:
    """Return whether the connection that raised this must not be used again."""
    if isinstance(error, asyncpg.PostgresError):
        return _is_fatal(error) or sqlstate(error).startswith(_SESSION_ENDS)
    # If the driver cannot encode a value, it raises an InterfaceError too, but that is a bug.
    return isinstance(error, CONNECTION_LOST) and not isinstance(error, (asyncpg.DataError, OutdatedSchemaCacheError))


def _is_fatal(error: asyncpg.PostgresError) -> bool:
    return getattr(error, "severity_en", None) in {"FATAL", "PANIC"}


def is_read_only(error: BaseException) -> bool:
    """Return whether the server is read-only at present; another server may be the primary now."""
    return sqlstate(error) == _READ_ONLY


def is_outdated(error: BaseException) -> bool:
    """Return whether a prepared statement is outdated because the columns of a table have changed.

    The driver has dropped the statement, so that the next attempt prepares it again.
    """
    return isinstance(error, (asyncpg.InvalidCachedStatementError, OutdatedSchemaCacheError))


def is_transient(error: BaseException) -> bool:
    """Return whether an error is transient: the transaction was rolled back, and can be tried again."""
    return ends_connection(error) or is_outdated(error) or sqlstate(error).startswith((*_TRANSIENT, _NO_STATEMENT))


def is_unknown_at_commit(error: BaseException) -> bool:
    """Return whether a COMMIT that raised this may have taken effect.

    If the session was ended because it was idle in the transaction, the server had not received the COMMIT.
    """
    if isinstance(error, asyncpg.PostgresError):
        return sqlstate(error) != "25P03" and (_is_fatal(error) or sqlstate(error).startswith(_UNKNOWN_OUTCOME))
    return ends_connection(error)


def error_for_client(error: BaseException) -> BankError | None:
    """Return the error for a client if an error is transient, else None.

    It is `TransactionRolledBack` if the same transaction may succeed at once, else `Unavailable`.
    """
    # The driver does not send over a connection that it has found closed, for example after an idle time-out.
    was_closed = isinstance(error, asyncpg.InterfaceError) and not isinstance(error, asyncpg.DataError)
    # Or it sent a statement before it read that the server had ended the session. If the server itself is down, the
    # next attempt fails to connect.
    was_closed = was_closed or isinstance(error, asyncpg.ConnectionDoesNotExistError)
    if was_closed or is_outdated(error) or sqlstate(error).startswith(_RETRY_AT_ONCE):
        return TransactionRolledBack(ROLLED_BACK)
    if ends_connection(error):
        return Unavailable("The connection to the database broke; try again in a moment.")
    if is_transient(error):
        return Unavailable("The database cannot do this at present; try again in a moment.")
    return None


# The messages of these errors are about connections, privileges, locks and resources. They quote no values of rows.
_WITHOUT_ROWS = ("3D000", "42501", "53", "55", "57")
# The message of these errors would quote the address of the login.
_LOGIN = "28"
# Errors with a class in the driver, or without an error number of the socket.
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "the name of its host is not known"),
    (ssl.SSLCertVerificationError, "its certificate is not accepted"),
    (ssl.SSLError, "TLS with it cannot be agreed upon"),
    (TimeoutError, "it did not answer in time"),
    (asyncpg.InterfaceError, "the driver cannot use the connection"),
    (InternalClientError, "the driver cannot use the connection"),
)


def reason(error: BaseException) -> str:
    """Return the reason why the database could not be used, as the end of a sentence for an operator.

    The texts of servers and drivers quote rows, addresses and URLs, so that only texts without these are repeated.
    """
    if isinstance(error, asyncpg.PostgresError):
        state = sqlstate(error)
        if state.startswith(_WITHOUT_ROWS):
            return (error.args[0] if error.args else type(error).__name__).rstrip(".")
        if state.startswith(_LOGIN):
            return f"it refuses the user, the password or the way of the login (SQLSTATE {state})"
        return f"{type(error).__name__} (SQLSTATE {state})" if state else "the connection broke"
    for kind, sentence in _REASONS:
        if isinstance(error, kind):
            return sentence
    number = getattr(error, "errno", None)
    if number:
        return os.strerror(number).lower()
    if "rejected SSL" in str(error):
        return "it does not speak TLS, which the URL asks for"
    return "no connection can be made, or it broke"
