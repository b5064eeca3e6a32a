"""Staff whose session has not proved a second factor can do what customers can, and enrol."""

from collections.abc import AsyncIterator

import pytest

from bank.api.authorization import ACCESS, Access
from bank.identity.roles import change_role
from tests.integration.access_matrix import ROWS, document_of, result_of
from tests.integration.actions import PopulatedBank, populate
from tests.integration.api import Client, RunningBank, serving, settings_for
from tests.integration.authenticator import enrol

REQUIRED = "SECOND_FACTOR_REQUIRED"
OF_OTHERS = ["Query.account", "Mutation.withdraw", "Mutation.captureHold", "Mutation.closeAccount"]


def _for_staff() -> list[str]:
    return sorted(field for field, access in ACCESS.items() if access in {Access.STAFF, Access.ADMIN})


@pytest.fixture
async def populated(database_url: str, redis_url: str) -> AsyncIterator[PopulatedBank]:
    """A bank that does not require the second factor; its staff make the inputs of the matrix."""
    async with serving(settings_for(database_url, redis_url)) as lenient:
        yield await populate(lenient)


@pytest.fixture
async def bank(populated: PopulatedBank, database_url: str, redis_url: str) -> AsyncIterator[RunningBank]:
    """Another worker, which requires it."""
    async with serving(settings_for(database_url, redis_url, staff_second_factor="required")) as strict:
        yield strict


def _at(bank: RunningBank, populated: PopulatedBank, name: str) -> Client:
    """Return the client of a user at the worker that requires the second factor."""
    return Client(bank.client.http, bank.client.url, populated.clients[name].token)


async def _results(populated: PopulatedBank, client: Client, fields: list[str]) -> dict[str, str]:
    results = {}
    for field in fields:
        reply = await client.send(document_of(field), {"input": await ROWS[field].given(populated)})
        results[field] = result_of(reply)
    return results


async def test_a_session_of_staff_with_a_password_alone_has_the_access_of_a_customer(
    populated: PopulatedBank, bank: RunningBank
) -> None:
    admin, bia = _at(bank, populated, "admin"), _at(bank, populated, "bia")
    for_staff = _for_staff()
    assert len(for_staff) >= 5
    assert await _results(populated, admin, for_staff) == dict.fromkeys(for_staff, REQUIRED)
    assert await _results(populated, bia, _for_staff()) == dict.fromkeys(_for_staff(), "FORBIDDEN")
    as_customer = await _results(populated, bia, OF_OTHERS)
    assert await _results(populated, admin, OF_OTHERS) == as_customer
    assert "OK" not in as_customer.values()
    assert (await admin.run("Me")).data["me"]["role"] == "ADMIN"
    async with bank.bank.database.connection() as connection:
        refused = await connection.fetch(
            "select event_data ->> 'action' as action from event_store"
            " where event_type = 'ActionRefusedEvent' and event_data ->> 'code' = $1", REQUIRED,
        )  # fmt: skip
    assert {row["action"] for row in refused} >= {field.partition(".")[2] for field in for_staff}


async def test_the_enrolment_opens_everything_in_the_same_session_and_a_login_without_a_code_nothing(
    populated: PopulatedBank, bank: RunningBank
) -> None:
    admin = _at(bank, populated, "admin")
    authenticator = await enrol(bank, admin)
    assert (await admin.deposit(populated.a["number"], "1.00", "enrolled"))["userErrors"] == []
    assert await _results(populated, admin, OF_OTHERS) == {field: ROWS[field].admin for field in OF_OTHERS}
    given = {"email": populated.addresses["admin"], "password": "an umbrella for Tuesday"}
    login = (await bank.client.run("Login", input=given)).data["login"]
    assert login["userErrors"][0]["code"] == REQUIRED
    login = await bank.client.run("Login", input={**given, "secondFactorCode": authenticator.recovery_codes[0]})
    tokens = login.data["login"]["tokens"]
    again = Client(admin.http, admin.url, tokens["accessToken"])
    assert (await again.deposit(populated.a["number"], "1.00", "logged in"))["userErrors"] == []
    refreshed = await bank.client.run("RefreshSession", input={"refreshToken": tokens["refreshToken"]})
    again.token = refreshed.data["refreshSession"]["tokens"]["accessToken"]
    assert (await again.deposit(populated.a["number"], "1.00", "refreshed"))["userErrors"] == []


async def test_a_customer_with_a_second_factor_is_no_staff(populated: PopulatedBank, bank: RunningBank) -> None:
    bia = _at(bank, populated, "bia")
    await enrol(bank, bia)
    assert await _results(populated, bia, _for_staff()) == dict.fromkeys(_for_staff(), "FORBIDDEN")


async def test_a_role_from_the_command_line_needs_the_second_factor_too(
    populated: PopulatedBank, bank: RunningBank
) -> None:
    await change_role(bank.bank.uow_factory, email=populated.addresses["bia"], role="OPERATOR")
    bia = await bank.client.login(populated.addresses["bia"])
    assert await _results(populated, bia, ["Mutation.deposit"]) == {"Mutation.deposit": REQUIRED}
