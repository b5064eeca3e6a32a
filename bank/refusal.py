"""Refusals: the negative decisions that use cases return. The errors without a decision are in `bank.errors`."""

import msgspec


class Refusal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A negative decision on a command: an outcome that is stored under its idempotency key.

    `code` is for programs, `message` is one sentence for people, and `field` is the path of the refused input.
    A refusal with INVALID_INPUT is not stored, so that the client can send the corrected request with the same key.
    """

    code: str
    message: str
    field: tuple[str, ...] | None = None
