"""Normalisation of e-mail addresses, so that one address belongs to one customer.

Only this module knows which spellings are equal: the database compares bytes.
"""

import unicodedata

import email_validator

from bank.text import has_invisible

# RFC 5321 allows 254 bytes. Longer texts are refused before they are parsed.
EMAIL_MAX = 254

# Addresses in an intranet's `.local` or in `.test` are valid for the bank, since it does not check that mail arrives.
# The library documents that programs change this list.
email_validator.SPECIAL_USE_DOMAIN_NAMES.clear()


def normalise_email(text: str) -> str | None:
    """Return the normal form of an e-mail address, or None for a text that is not an address.

    Addresses are equal if they differ only in width, composition or case (Unicode NFKC and lower case, as RFC 8265
    defines for user names), or in Punycode. Addresses with different parts behind a plus sign are different.
    An address with invisible characters, or with characters that this Python's Unicode does not know yet, is refused,
    because people could not distinguish it from another address.
    """
    text = text.strip()
    if len(text) > EMAIL_MAX or has_invisible(text):
        return None
    try:
        address = email_validator.validate_email(_fold(text), check_deliverability=False).normalized
    except email_validator.EmailNotValidError:
        return None
    address = _fold(address)  # decoding Punycode can produce further letters to fold
    return None if has_invisible(address) else address


def _fold(text: str) -> str:
    """Return a text in NFKC and lower case. Each step can require the other again, so both are repeated."""
    while (folded := unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).lower())) != text:
        text = folded
    return text
