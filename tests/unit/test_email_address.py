"""E-mail addresses have one normalised spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bank.identity.email_address import normalise_email

SAME = {
    "case": ("Ana.Souza@Example.COM", "ana.souza@example.com"),
    "spaces around it": (" ana@example.com\n", "ana@example.com"),
    "composition": ("joa\u0303o@example.com", "joão@example.com"),
    "width": ("".join(chr(ord(letter) + 0xFEE0) for letter in "ana@example.com"), "ana@example.com"),
    "a Kelvin sign": ("\u212aarl@example.com", "karl@example.com"),
    "a ligature": ("\ufb01na@example.com", "fina@example.com"),
    "a capital with a dot": ("\u0130ris@example.com", "i\u0307ris@example.com"),
    "Punycode": ("ana@xn--bcher-kva.example", "ana@bücher.example"),
    "Punycode in capitals": ("ana@XN--BCHER-KVA.example", "ana@BÜCHER.example"),
    "an ideographic full stop": ("ana@example\u3002com", "ana@example.com"),
}
DIFFERENT = [("ana+a@example.com", "ana@example.com"), ("a.na@example.com", "ana@example.com")]
NONE = {
    "no domain": "ana",
    "two at signs": "ana@b@example.com",
    "a dot at the end": "ana.@example.com",
    "two dots": "a..na@example.com",
    "a space": "an a@example.com",
    "a comment": "ana(x)@example.com",
    "quotes": '"ana"@example.com',
    "a display name": "Ana <ana@example.com>",
    "a number": "ana@[127.0.0.1]",
    "no dot": "ana@example",
    "NUL": "ana\0@example.com",
    "a surrogate": "ana\ud800@example.com",
    "too long": "a" * 250 + "@example.com",
    "a soft hyphen": "a\u00adna@example.com",
    "a soft hyphen in the domain": "ana@exam\u00adple.com",
    "a zero-width space": "ana\u200b@example.com",
    "a byte order mark": "\ufeffana@example.com",
    "a variation selector": "ana\ufe0f@example.com",
    "a Hangul filler": "ana\u3164@example.com",
    "a Braille blank": "ana\u2800@example.com",
    "a grapheme joiner": "a\u034fna@example.com",
    "a tag": "ana\U000e0061@example.com",
    "an override": "\u202eana@example.com",
    "a no-break space": "a\u00a0na@example.com",
    "a letter that this Python cannot fold": "\ua7da\u0378@example.com",
}


@pytest.mark.parametrize(("one", "other"), SAME.values(), ids=SAME)
def test_equivalent_addresses_have_one_normalised_spelling(one: str, other: str) -> None:
    assert normalise_email(one) == normalise_email(other) is not None


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_mailboxes_have_different_spellings(one: str, other: str) -> None:
    assert normalise_email(one) != normalise_email(other)


@pytest.mark.parametrize("text", NONE.values(), ids=NONE)
def test_an_invalid_address_is_refused(text: str) -> None:
    assert normalise_email(text) is None


@pytest.mark.parametrize(
    "text", ["admin@bank.local", "a@b.test", "o'neil@example.com", "用户@例子.广告", "अ@उदाहरण.भारत"]
)
def test_addresses_in_any_script_and_of_test_domains_are_valid(text: str) -> None:
    assert normalise_email(text) == text


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20))
def test_normalisation_of_a_normalised_address_changes_nothing(local: str) -> None:
    address = normalise_email(f"{local}@example.com")
    assert address is None or normalise_email(address) == address
