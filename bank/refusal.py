"""A refusal: the business "no" that a use case returns. Cases in which the bank did not decide are `bank.errors`."""

import msgspec


class Refusal(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """A business "no": an outcome like any other, stored under its idempotency key.

    `code` is what programs read, `message` one sentence for people, `field` the path of the input that is refused.
    INVALID_INPUT is not stored: the input is wrong in itself, and the corrected request may come with the same key.
    """

    code: str
    message: str
    field: tuple[str, ...] | None = None
