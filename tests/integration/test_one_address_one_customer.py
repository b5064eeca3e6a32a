"""An e-mail address has one customer in all its spellings; names and texts stay as users write them."""

from typing import Any

from validate_docbr import CPF

from tests.integration.api import PASSWORD, Client, RunningBank
from tests.integration.payers import payer_at

ADDRESS = "joão@bücher.example"


async def _register(client: Client, email: str, full_name: str = "João Souza") -> Any:
    given = {"email": email, "fullName": full_name, "cpf": CPF().generate(), "password": PASSWORD}
    return (await client.run("Register", input=given)).data["register"]


def _codes(payload: Any) -> list[str]:
    return [error["code"] for error in payload["userErrors"]]


SPELLINGS = {
    "JOÃO@BÜCHER.example": [],
    "joa\u0303o@bu\u0308cher.example": [],
    "\uff4aoão@bücher\uff0eexample": [],
    "joão@xn--bcher-kva.example": [],
    "jo\u00adão@bücher.example": ["INVALID_INPUT"],
    "joão\u200b@bücher.example": ["INVALID_INPUT"],
    "joão@bücher.exam\u2060ple": ["INVALID_INPUT"],
}
# Letters of Unicode 15 to 17 for which only one of Python and PostgreSQL has the lower-case form, and letters whose
# lower-case form has two letters or another form.
UNSETTLED = "\u1c89\ua7cb\ua7cc\ua7da\ua7dc\U00010d50\u0130\u1e9e\u2c2f"
WRITTEN_NAMES = ("محمد\u200cرضا", "ශ්\u200dරීමා", "山田\u3000太郎", "Joa\u0303o Souza")  # noqa: RUF001 - Persian
NAMES_OF_NOTHING = ("\u3164\u3164", "\u200b\u200b", "\u2800\u2800", "A\u200d", "Ana\u202e")


async def test_another_spelling_of_an_address_creates_no_second_customer(running_bank: RunningBank) -> None:
    assert _codes(await _register(running_bank.client, ADDRESS)) == []
    refused = {spelling: _codes(await _register(running_bank.client, spelling)) for spelling in SPELLINGS}
    assert refused == SPELLINGS
    async with running_bank.bank.database.connection() as connection:
        assert await connection.fetchval("select count(*) from users") == 1


async def test_any_spelling_of_the_address_logs_in(running_bank: RunningBank) -> None:
    await _register(running_bank.client, ADDRESS)
    for spelling in ("João@Bücher.Example ", "joa\u0303o@xn--bcher-kva.example"):
        reply = await running_bank.client.run("Login", input={"email": spelling, "password": PASSWORD})
        assert reply.data["login"]["tokens"] is not None


async def test_a_letter_without_a_standard_lower_case_form_never_fails_a_request(running_bank: RunningBank) -> None:
    for letter in UNSETTLED:
        payload = await _register(running_bank.client, f"{letter}@example.com")
        assert _codes(payload) in ([], ["INVALID_INPUT"])
        reply = await running_bank.client.run("Login", input={"email": f"{letter}@example.com", "password": PASSWORD})
        assert (reply.data["login"]["tokens"] is None) is (not payload["accepted"])


async def test_names_in_any_language_are_accepted_and_unreadable_ones_refused(running_bank: RunningBank) -> None:
    for place, name in enumerate(WRITTEN_NAMES):
        assert _codes(await _register(running_bank.client, f"a{place}@example.com", name)) == []
    for name in NAMES_OF_NOTHING:
        assert _codes(await _register(running_bank.client, "b@example.com", name)) == ["INVALID_INPUT"]


async def test_a_description_is_stored_unchanged(running_bank: RunningBank) -> None:
    payer = await payer_at(running_bank)
    for place, text in enumerate(WRITTEN_NAMES):
        assert _codes(await payer.paid(f"k{place}", "1.00", description=text)) == []
    for text in ("\u200b", "\u00a0", "\u2028", "a\nb", "a\u202eb"):
        assert _codes(await payer.paid("k", "1.00", description=text)) == ["INVALID_INPUT"]
