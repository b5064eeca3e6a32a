"""The check of an e-mail address that a user chooses, at the registration or later."""

from bank.identity.deceptive_address import is_deceptive
from bank.identity.email_address import normalise_email
from bank.refusal import Refusal

_DECEPTIVE = "An e-mail address has letters of one alphabet in each part, and does not imitate another address."


def read_new_address(text: str, *, field: str) -> str | Refusal:
    """Return the normal form of a new address, or the refusal of one that is invalid or imitates another address."""
    address = normalise_email(text)
    if address is None:
        return _invalid(field, "This is not an e-mail address.")
    return _invalid(field, _DECEPTIVE) if is_deceptive(address) else address


def _invalid(field: str, message: str) -> Refusal:
    return Refusal(code="INVALID_INPUT", message=message, field=("input", field))
