"""The errors that a client may see. Everything else is masked as INTERNAL.

A business refusal is not an error but a value (see `bank.ledger.model.Refusal`); these are for the cases in which the
bank did not get as far as deciding.
"""


class BankError(Exception):
    """Something a client is told: a stable code, one clear sentence, and whether trying again can help.

    `retryable` means: the same request, sent again with the same idempotency key, may succeed.
    """

    code = "INTERNAL"
    retryable = False

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class Unauthenticated(BankError):
    """There is no valid access token with the request, or its session is closed."""

    code = "UNAUTHENTICATED"


class Forbidden(BankError):
    """The caller is known and may not do this."""

    code = "FORBIDDEN"


class BadInput(BankError):
    """A value is not of the form asked for, and no mutation payload can say so."""

    code = "BAD_INPUT"


class Overloaded(BankError):
    """A bounded queue or pool is full; nothing was done."""

    code = "OVERLOADED"
    retryable = True


class OutcomeUnknown(BankError):
    """The connection broke around the commit: it may have happened. A retry with the same key finds out."""

    code = "OUTCOME_UNKNOWN"
    retryable = True


class Unavailable(BankError):
    """The database does not answer; nothing was done that an answer would have confirmed."""

    code = "UNAVAILABLE"
    retryable = True


class Undone(Unavailable):
    """The database has undone the transaction before its commit, and the same may succeed at once: nothing was done."""
