"""Brazilian documents: the CPF, the taxpayer number of a person."""

import re

from validate_docbr import CPF

_PLAIN_OR_PUNCTUATED = re.compile(r"[0-9]{11}|[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}")
_PLAIN = re.compile(r"[0-9]{11}")
_CHECK = CPF()


def normalise_cpf(text: str) -> str | None:
    """Return the eleven digits of a valid CPF written with or without its punctuation, or None for any other text.

    The format is checked here, because validate-docbr pads short input with zeros and accepts points anywhere. The
    library checks the check digits, and refuses a CPF of eleven equal digits.
    """
    if not _PLAIN_OR_PUNCTUATED.fullmatch(text):
        return None
    digits = text.replace(".", "").replace("-", "")
    return digits if _CHECK.validate(digits) else None


def format_cpf(digits: str) -> str:
    """Return eleven digits as 000.000.000-00. Raises ValueError for any other text."""
    _require_eleven_digits(digits)
    return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}"


def mask_cpf(digits: str) -> str:
    """Return eleven digits as ***.456.789-**, the format in which Brazilian authorities publish lists of people."""
    _require_eleven_digits(digits)
    return f"***.{digits[3:6]}.{digits[6:9]}-**"


def _require_eleven_digits(digits: str) -> None:
    if not _PLAIN.fullmatch(digits):
        raise ValueError("A CPF is kept as eleven digits.")
