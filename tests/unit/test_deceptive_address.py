"""An e-mail address that looks like another one is refused at the registration."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.identity.deceptive_address import is_deceptive
from bank.identity.email_address import normalise_email

DECEPTIVE = {
    "one Cyrillic letter": "p\u0430ypal@example.com",
    "one Greek letter": "b\u03bfb@example.com",
    "one Armenian letter": "b\u0585b@example.com",
    "a domain with a Cyrillic letter": "ana@ex\u0430mple.com",
    "a name in Cyrillic letters like Latin ones": "\u0441\u043e\u0441\u043e@example.com",
    "a name in Greek letters like Latin ones": "\u03c7\u03b1\u03c5\u03b9@example.com",
    "a domain in Cyrillic letters like Latin ones": "ana@\u0430\u0440\u0440\u04cf\u0435.com",
    "the same domain in Punycode": "ana@xn--80ak6aa92e.com",
    "Arabic digits in a Latin name": "ana\u0661@example.com",
    "Cyrillic and Greek": "\u0434\u03b4@example.com",
    "Devanagari and Latin": "\u0905na@example.com",
}
HONEST = [
    "ana.souza+bank@example.com",
    "joão@example.com",
    "o'neil@example.com",
    "иван@пример.рф",
    "иван@example.com",
    "\u0440\u043e\u0441\u0430@пример.рф",
    "γιωργος@παραδειγμα.ελ",
    "用户@例子.广告",
    "tanaka田中たなかタナカー@例え.jp",
    "kim김@example.com",
    "अ@उदाहरण.भारत",
    "١٢٣علي@example.com",
]  # fmt: skip


@pytest.mark.parametrize("address", DECEPTIVE.values(), ids=DECEPTIVE)
def test_an_address_that_looks_like_another_is_deceptive(address: str) -> None:
    normalised = normalise_email(address)
    assert normalised is not None
    assert is_deceptive(normalised)


@pytest.mark.parametrize("address", HONEST)
def test_an_address_in_any_one_script_is_not_deceptive(address: str) -> None:
    normalised = normalise_email(address)
    assert normalised is not None
    assert not is_deceptive(normalised)


LOOKALIKES = dict(zip("aceopxyij", "\u0430\u0441\u0435\u043e\u0440\u0445\u0443\u0456\u0458", strict=True))


@given(st.text("abcdefghijklmnopqrstuvwxyz", min_size=2, max_size=12), st.data())
def test_every_replaced_letter_of_a_latin_name_is_detected(name: str, data: st.DataObject) -> None:
    places = [place for place, letter in enumerate(name) if letter in LOOKALIKES]
    assert not is_deceptive(f"{name}@example.com")
    if places:
        chosen = data.draw(st.lists(st.sampled_from(places), min_size=1, unique=True))
        imitation = "".join(LOOKALIKES[letter] if place in chosen else letter for place, letter in enumerate(name))
        assert is_deceptive(f"{imitation}@example.com")


@given(st.text(max_size=20))
def test_any_normalised_address_has_an_answer(local: str) -> None:
    address = normalise_email(f"{local}@example.com")
    if address is not None:
        assert is_deceptive(address) in {True, False}
