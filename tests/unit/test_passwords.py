"""Passwords have one spelling each; frequent ones, and ones with data of the person, are refused."""

import unicodedata

import pytest

from bank.identity.passwords import Passwords, WeakPassword, normalise_password
from bank.identity.weakness import Person, weakness_of

ANA = Person(email="ana.souza+bank@example.com", full_name="Ana Sofia Souza", cpf="52998224725")
_FREQUENT_TEXT = """
123456789012 1234567890123 0123456789012 1234567891011 987654321098 111111111111 123123123123 112233445566
qwertyuiop12 qwertyuiopasdfghjklzxcvbnm asdfghjkl123 zxcvbnm12345 qwerty123456 123456qwerty 1q2w3e4r5t6y
1qaz2wsx3edc 1qaz2wsx3edc4rfv q1w2e3r4t5y6 qazwsxedcrfv zaq12wsxcde3 abcdefghijkl abcdefghijklmnop abcd12345678
abc123456789 a1b2c3d4e5f6 passwordpassword password1234 Password123! P@ssw0rd1234 letmein12345 welcome12345
iloveyouforever unbelievable administrator christopher1 manchesterunited vivaldifourseasons trustno1trustno1
football12345 superman12345 sunshine12345 mudar123mudar minhasenha123 senhasenha12 brasil123456 flamengo1234
corinthians1910 deusefiel123 jesusteama123 hunter2hunter2
"""
FREQUENT = _FREQUENT_TEXT.split()
OWN = (
    "52998224725!",
    "529.982.247-25",
    "5 2 9 9 8 2 2 4 7 2 5",
    "CPF 529982247/25",
    "5299822472552998224725",
    "52742289925abc",
    "ana.souza@example.com",
    "ANA.SOUZA+BANK@EXAMPLE.COM",
    "ana.souza+bank",
    "anasouza2026!",
    "Ana Sofia Souza",
    "Sofia-Souza-12",
    "azuos.aifos.ana",
    "event-driven-bank",
    "bankbankbank1!",
)
GOOD = (
    "an umbrella for Tuesday",
    "um guarda-chuva às terças",
    "correct horse battery staple",
    "xK9#mQ2$vL7p",
    "昨日の雨は長く静かに降り続いた",
    "!%&$)=?*+#~^",
    "Ana bought nine green lamps",
    # The Python library that estimates passwords reads digits before a line end as a date, and raises.
    "a lamp 1234567\nin winter",
    "x7" + "qKzR9mPwT" * 14,
)


# Frequent passwords in full-width letters, in mathematical letters, or with invisible characters.
DISGUISED = (
    "".join(chr(ord(letter) + 0xFEE0) for letter in "password1234"),
    "".join(chr(ord(letter) - ord("a") + 0x1D41A) for letter in "passwordpassword"),
    "\u200b".join("password1234"),
    "\u2060".join("flamengo1234"),
    "\u00ad".join("anasouza2026!"),
)


@pytest.mark.parametrize("password", [*FREQUENT, *OWN, *DISGUISED, "short", "x" * 129, "a\ud800bcdefghijklmn"])
def test_a_guessable_password_is_refused(password: str) -> None:
    # Also with a second factor, when its length is not the reason.
    assert weakness_of(normalise_password(password), ANA, shortest=8) is not None


@pytest.mark.parametrize("password", GOOD)
def test_a_password_that_is_hard_to_guess_is_accepted(password: str) -> None:
    assert weakness_of(normalise_password(password), ANA, shortest=8) is None


def test_a_password_has_15_characters_and_8_with_a_second_factor() -> None:
    for password, shortest in (("xK9#mQ2$vL7pQz4", 15), ("xK9#mQ2$", 8)):
        assert weakness_of(password, ANA, shortest=shortest) is None
        refused = weakness_of(password[:-1], ANA, shortest=shortest)
        assert refused == f"A password has {shortest} to 128 characters."


async def test_equivalent_spellings_of_a_password_are_equal() -> None:
    passwords = Passwords()
    typed = "três corações à beira\u00a0do rio"
    chosen = await passwords.hash_new(unicodedata.normalize("NFD", typed), ANA)
    assert isinstance(chosen, str)

    async def find() -> str | None:
        return chosen

    for spelling in (typed, unicodedata.normalize("NFD", typed), typed.replace("\u00a0", " ")):
        assert await passwords.verify(find, spelling, account=ANA.email)
    for other in (typed.upper(), typed + " ", "\ud800" + typed, typed * 40):
        assert not await passwords.verify(find, other, account=ANA.email)
    passwords.close()


async def test_the_length_of_a_password_counts_typed_characters() -> None:
    passwords = Passwords()
    refused = await passwords.hash_new(unicodedata.normalize("NFD", "ãéîõüçñàêí!"), ANA)
    assert refused == WeakPassword("A password has 15 to 128 characters.")
    passwords.close()
