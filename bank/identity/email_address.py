"""E-mail addresses: one spelling of each, so that an address has one customer.

This is the only place where addresses are compared by letters: the database compares bytes.
"""

import unicodedata

import email_validator

from bank.text import has_invisible

# RFC 5321 allows 254 bytes; a longer text is not looked at.
EMAIL_MAX = 254

# Whether mail arrives somewhere is not asked: an intranet's `.local` and the `.test` of trials are addresses, too.
# Changing the list is how the library wants to be told.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def normalise_email(text: str) -> str | None:
    """Return the one spelling of an e-mail address, or None where it is not an address.

    Width, composition and case make no difference (Unicode NFKC and lower case, as RFC 8265 has it for user names), nor
    does whether the domain is written in its own letters or in Punycode. A part behind a plus sign does.
    An address with characters that are displayed as nothing, or that this Python's Unicode does not know yet, is none:
    it could not be told from another.
    """
    text = text.strip()
    if len(text) > EMAIL_MAX or has_invisible(text):
        return None
    try:
        address = email_validator.validate_email(_fold(text), check_deliverability=False).normalized
    except email_validator.EmailNotValidError:
        return None
    address = _fold(address)  # a domain in Punycode has letters of its own
    return None if has_invisible(address) else address


def _fold(text: str) -> str:
    """Return a text in NFKC and lower case; lower case can need NFKC again, and the reverse."""
    while (folded := unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())) != text:
        text = folded
    return text
