"""Detection of weak passwords: frequent ones, and those made of the person's data (NIST SP 800-63B-4, 3.1.1.2)."""

import re
import unicodedata
from dataclasses import dataclass

from zxcvbn_rs_py import zxcvbn

from bank.text import has_invisible

# The lengths of NIST SP 800-63B-4, 3.1.1.2: for a password alone, and for one with a second factor.
PASSWORD_MIN = 15
PASSWORD_MIN_WITH_SECOND_FACTOR = 8
# Without a limit, argon2 would hash the megabytes of an attacker.
PASSWORD_MAX = 128
# The time of zxcvbn grows faster than the length: 14 ms for 72 characters, 25 ms for 128 (measured).
_ESTIMATED_MAX = 72
# zxcvbn's third of four levels: "safely unguessable" behind a slow hash. No password of eight characters reaches it, so
# that the second level is enough for fewer than ten, with a second factor: safe from guesses at the login.
_SCORE_MIN, _SCORE_MIN_OF_SHORT, _SHORT = 3, 2, 10
# The number of characters that must not belong to the person's name, CPF or address, or to the bank's name.
_OWN_CHARACTERS_MIN = 8
# Words that are frequent in Brazil, or too long for zxcvbn's lists.
_FREQUENT = (
    "senha", "mudar", "minhasenha", "segredo", "brasil", "deus", "deusefiel", "jesus", "jesusteama", "euteamo", "teamo",
    "familia", "flamengo", "corinthians", "palmeiras", "saopaulo", "vasco", "gremio", "santos", "cruzeiro", "princesa",
    "vivaldifourseasons", "qwertyuiopasdfghjklzxcvbnm", "qwertyuiopasdfghjkl", "asdfghjklzxcvbnm",
)  # fmt: skip
_BANK = ("event-driven-bank", "event driven bank", "bank", "banco")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The person who chooses a password. `cpf` has eleven digits, or is None."""

    email: str
    full_name: str
    cpf: str | None


def weakness_of(password: str | None, person: Person, *, shortest: int = PASSWORD_MIN) -> str | None:
    """Return the reason why a password is too weak, as a message for the user, or None for a strong one.

    `password` is None if it is not valid Unicode. The check takes 0.1 ms, up to 20 ms for a long password.
    """
    if password is None or not shortest <= len(password) <= PASSWORD_MAX:
        return f"A password has {shortest} to {PASSWORD_MAX} characters."
    password = _as_displayed(password)
    if len(set(password.lower())) < 5:
        return "The password repeats too few characters."
    words = _words_of(person)
    if _count_other_characters(password, words) < _OWN_CHARACTERS_MIN:
        return "The password is mostly your own name, address or CPF, or the bank's name."
    score_min = _SCORE_MIN if len(password) >= _SHORT else _SCORE_MIN_OF_SHORT
    if int(zxcvbn(password[:_ESTIMATED_MAX], [*words, *_FREQUENT]).score) < score_min:
        return "The password is one of the most guessed, or made of such in a guessable way."
    return None


def _as_displayed(password: str) -> str:
    """Return a password as a person sees it: with variants of letters such as full-width ones replaced by plain ones.

    Invisible characters are removed.
    """
    text = unicodedata.normalize("NFKC", password)
    return "".join(character for character in text if not has_invisible(character))


def _words_of(person: Person) -> list[str]:
    local, _, domain = person.email.partition("@")
    names = re.split(r"[\W_]+", f"{local} {domain} {person.full_name}")
    words = {
        _letters_and_digits(word)
        for word in (person.email, local, domain, person.full_name, person.cpf or "", *_BANK, *names)
    }
    return sorted((word for word in words if len(word) >= 3), key=len, reverse=True)


def _count_other_characters(password: str, words: list[str]) -> int:
    """Return the number of characters outside of these words, which may be reversed or split by punctuation."""
    text = _letters_and_digits(password)
    whole = len(text)
    for word in words:
        for spelling in (word, word[::-1]):
            text = text.replace(spelling, "")
    # If no word was found, punctuation counts too: a password may consist of punctuation alone.
    return len(text) if len(text) < whole else len(password)


def _letters_and_digits(text: str) -> str:
    """Return the letters and digits of a text, without accents and case."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in plain if character.isalnum())
