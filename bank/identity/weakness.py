"""Passwords that are too easy to guess: frequent ones, and the person's own words (NIST SP 800-63B-4, 3.1.1.2)."""

import re
import unicodedata
from dataclasses import dataclass

from zxcvbn_rs_py import zxcvbn

from bank.text import has_invisible

# NIST SP 800-63B-4 asks for eight with a second factor and fifteen without; what is easy to guess is refused below.
PASSWORD_MIN = 12
# argon2 takes any length, an attacker's megabytes too.
PASSWORD_MAX = 128
# What zxcvbn takes time for grows faster than the length: 14 ms for these, 25 for 128 (measured).
_ESTIMATED = 72
# Guesses that stand a slow hash, by zxcvbn's estimate: "safely unguessable", its third of four degrees.
_SCORE_MIN = 3
# As many characters of a password must be nobody's name, number or address.
_OWN_CHARACTERS_MIN = 8
# Frequent where this bank's customers live, or too long for zxcvbn's lists.
_FREQUENT = (
    "senha", "mudar", "minhasenha", "segredo", "brasil", "deus", "deusefiel", "jesus", "jesusteama", "euteamo", "teamo",
    "familia", "flamengo", "corinthians", "palmeiras", "saopaulo", "vasco", "gremio", "santos", "cruzeiro", "princesa",
    "vivaldifourseasons", "qwertyuiopasdfghjklzxcvbnm", "qwertyuiopasdfghjkl", "asdfghjklzxcvbnm",
)  # fmt: skip
_BANK = ("event-driven-bank", "event driven bank", "bank", "banco")


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """The person that a password is for; `cpf` is eleven digits, or None."""

    email: str
    full_name: str
    cpf: str | None


def weakness_of(password: str | None, person: Person) -> str | None:
    """Return why a password is too easy to guess, in one sentence, or None where it will do.

    `password` is None where it is no text. Takes a tenth of a millisecond, up to 20 for the longest.
    """
    if password is None or not PASSWORD_MIN <= len(password) <= PASSWORD_MAX:
        return f"A password has {PASSWORD_MIN} to {PASSWORD_MAX} characters."
    password = _as_read(password)
    if len(set(password.lower())) < 5:
        return "The password repeats too few characters."
    words = _words_of(person)
    if _left_of(password, words) < _OWN_CHARACTERS_MIN:
        return "The password is mostly your own name, address or CPF, or the bank's name."
    if int(zxcvbn(password[:_ESTIMATED], [*words, *_FREQUENT]).score) < _SCORE_MIN:
        return "The password is one of the most guessed, or made of such in a guessable way."
    return None


def _as_read(password: str) -> str:
    """Return a password as somebody reads it: full-width letters and the like as usual ones, without invisible ones."""
    text = unicodedata.normalize("NFKC", password)
    return "".join(character for character in text if not has_invisible(character))


def _words_of(person: Person) -> list[str]:
    local, _, domain = person.email.partition("@")
    names = re.split(r"[\W_]+", f"{local} {domain} {person.full_name}")
    words = {
        _squashed(word) for word in (person.email, local, domain, person.full_name, person.cpf or "", *_BANK, *names)
    }
    return sorted((word for word in words if len(word) >= 3), key=len, reverse=True)


def _left_of(password: str, words: list[str]) -> int:
    """Return how many characters there are besides these words, written forwards or backwards, in any punctuation."""
    text = _squashed(password)
    whole = len(text)
    for word in words:
        for spelling in (word, word[::-1]):
            text = text.replace(spelling, "")
    # Where nothing was taken out, what the punctuation hides is no matter: a password may be of punctuation alone.
    return len(text) if len(text) < whole else len(password)


def _squashed(text: str) -> str:
    """Return a text's letters and digits without accents and case."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(character for character in plain if character.isalnum())
