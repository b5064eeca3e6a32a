"""Phone numbers in the international format E.164 (ITU-T), such as +5511987654321."""

import re

import phonenumbers

# A plus sign, and at most fifteen digits (E.164, 6.2.1), which may be grouped by spaces, hyphens and parentheses.
_INTERNATIONAL = re.compile(r"\+[0-9](?:[ ()-]{0,2}[0-9]){6,14}", re.ASCII)


def normalise_phone_number(text: str) -> str | None:
    """Return a phone number in E.164, or None for any other text and for a number that no country assigns.

    The format is checked here, because the library accepts letters, extensions and digits of other alphabets.
    """
    if not _INTERNATIONAL.fullmatch(text):
        return None
    try:
        number = phonenumbers.parse(text)
    except phonenumbers.NumberParseException:
        return None
    if not phonenumbers.is_valid_number(number):
        return None
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
