"""The meaning of an error of PostgreSQL, its driver or the socket for the caller, by SQLSTATE, in one place.

The classes are those of PostgreSQL's appendix A. What is not named here says something about the statement: a bug.
"""

import os
import socket
import ssl

import asyncpg
from asyncpg.exceptions import InternalClientError, OutdatedSchemaCacheError

from bank.errors import BankError, Unavailable, Undone

# What the driver and the socket raise when the server is gone, restarting or out of connections.
CONNECTION_LOST = (
    OSError,
    asyncpg.InterfaceError,
    # What asyncpg makes of a statement on a connection whose end it has not noticed yet.
    InternalClientError,
    asyncpg.PostgresConnectionError,
)

# The session has ended, or ends with this error: connection exceptions; too many connections; the time-outs that end
# a session; shutdown, crash, start, a dropped database, idleness.
_SESSION_ENDS = ("08", "53300", "25P03", "25P04", "57P")
# A server that has become a replica, or was told to write nothing.
_READ_ONLY = "25006"
# PostgreSQL has undone the transaction for reasons that are not the statement's: rollback (deadlock, serialization),
# resources (disk, memory, connections, limits), objects in use and locks, operator and time-outs, system and I/O.
_PASSING = (*_SESSION_ENDS, _READ_ONLY, "40", "53", "55", "57", "58")
# The server may have committed all the same: 08007 and 40003 say that nobody knows.
_NOBODY_KNOWS = ("08", "40003", "57P")
# A prepared statement that the session does not have (any more).
_NO_STATEMENT = "26000"
# Undone only for what went on beside it, or between two statements: the same may succeed at once.
_WORTH_ANOTHER_TRY = ("25P03", "40001", "40P01", _NO_STATEMENT)


def sqlstate(error: BaseException) -> str:
    """Return the server's five letters for an error, or an empty text where the server did not speak."""
    return (error.sqlstate or "") if isinstance(error, asyncpg.PostgresError) else ""


def ends_connection(error: BaseException) -> bool:
    """Return whether the connection on which this was raised must not be used again."""
    if isinstance(error, asyncpg.PostgresError):
        return _is_fatal(error) or sqlstate(error).startswith(_SESSION_ENDS)
    # A value that the driver cannot encode is an InterfaceError too, and a bug.
    return isinstance(error, CONNECTION_LOST) and not isinstance(error, (asyncpg.DataError, OutdatedSchemaCacheError))


def _is_fatal(error: asyncpg.PostgresError) -> bool:
    return getattr(error, "severity_en", None) in {"FATAL", "PANIC"}


def is_read_only(error: BaseException) -> bool:
    """Return whether the server takes no writes at present: the one to write to may be another now."""
    return sqlstate(error) == _READ_ONLY


def is_outdated(error: BaseException) -> bool:
    """Return whether a prepared statement has outlived what it was prepared for: a table has changed its columns.

    The driver has thrown away what it knew by now, so that the next try prepares anew.
    """
    return isinstance(error, (asyncpg.InvalidCachedStatementError, OutdatedSchemaCacheError))


def is_transient(error: BaseException) -> bool:
    """Return whether an error goes away by itself: what was asked is undone, and may be asked again."""
    return ends_connection(error) or is_outdated(error) or sqlstate(error).startswith((*_PASSING, _NO_STATEMENT))


def is_unknown_at_commit(error: BaseException) -> bool:
    """Return whether a COMMIT that raised this may have taken effect.

    A session that was ended for its idleness was idle: it had not begun with the COMMIT.
    """
    if isinstance(error, asyncpg.PostgresError):
        return sqlstate(error) != "25P03" and (_is_fatal(error) or sqlstate(error).startswith(_NOBODY_KNOWS))
    return ends_connection(error)


def told_of(error: BaseException) -> BankError | None:
    """Return what a client is told of an error that passes, `Undone` where the same may succeed at once, or None."""
    # The driver refuses to send over a connection that it has found closed, as after a time-out of idleness.
    was_closed = isinstance(error, asyncpg.InterfaceError) and not isinstance(error, asyncpg.DataError)
    # Or it has sent a statement before it read that the server had ended the session. Where the server itself is gone,
    # no other connection can be made.
    was_closed = was_closed or isinstance(error, asyncpg.ConnectionDoesNotExistError)
    if was_closed or is_outdated(error) or sqlstate(error).startswith(_WORTH_ANOTHER_TRY):
        return Undone("The database undid this in the middle; try again.")
    if ends_connection(error):
        return Unavailable("The connection to the database broke; try again in a moment.")
    if is_transient(error):
        return Unavailable("The database cannot do this at present; try again in a moment.")
    return None


# What the server says with these is of connections, privileges, locks and resources: names of the schema at most.
_ABOUT_NO_ROW = ("3D000", "42501", "53", "55", "57")
# The server's own words would name the address that a login comes from.
_LOGIN = "28"
# For those the driver has classes of its own, or the socket no number.
_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (socket.gaierror, "the name of its host is not known"),
    (ssl.SSLCertVerificationError, "its certificate is not accepted"),
    (ssl.SSLError, "TLS with it cannot be agreed upon"),
    (TimeoutError, "it did not answer in time"),
    (asyncpg.InterfaceError, "the driver cannot use the connection"),
    (InternalClientError, "the driver cannot use the connection"),
)


def reason(error: BaseException) -> str:
    """Return why the database could not be used, as the end of a sentence for an operator.

    Texts of servers and drivers quote rows, addresses and URLs; so only what can hold none of them is repeated.
    """
    if isinstance(error, asyncpg.PostgresError):
        state = sqlstate(error)
        if state.startswith(_ABOUT_NO_ROW):
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
