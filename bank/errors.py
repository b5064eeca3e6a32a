"""The errors that a client or an operator may see. Everything else is masked as INTERNAL.

A business refusal is not an error but a value (see `bank.refusal`). These errors are for cases in which the bank did
not reach a decision.
"""


class OperatorError(Exception):
    """An error that the operator of the bank can correct. Its message is one sentence with the remedy."""


class BankError(Exception):
    """An error for a client: a stable code, a message of one sentence, and whether a retry can help.

    `retryable` means that the same request may succeed if it is sent again with the same idempotency key.
    """

    code = "INTERNAL"
    retryable = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthenticated(BankError):
    """The request has no valid access token, or its session is closed."""

    code = "UNAUTHENTICATED"


class Forbidden(BankError):
    """The caller is authenticated, but may not do this."""

    code = "FORBIDDEN"


class SecondFactorRequired(BankError):
    """The caller is a member of staff whose session has not proved the second factor."""

    code = "SECOND_FACTOR_REQUIRED"


class BadInput(BankError):
    """A value is invalid, in a place where no mutation payload can report it."""

    code = "BAD_INPUT"


class Overloaded(BankError):
    """A bounded queue or pool is full; nothing was done."""

    code = "OVERLOADED"
    retryable = True


class OutcomeUnknown(BankError):
    """The connection was lost during the commit, so its outcome is unknown. A retry with the same key returns it."""

    code = "OUTCOME_UNKNOWN"
    retryable = True


class Unavailable(BankError):
    """The database does not respond, and nothing was committed."""

    code = "UNAVAILABLE"
    retryable = True


class TransactionRolledBack(Unavailable):
    """The database has rolled back the transaction before its commit. The same transaction may succeed at once."""
