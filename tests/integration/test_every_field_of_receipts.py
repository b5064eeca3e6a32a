"""Every field of every receipt is exact: amount, accounts, time and balances."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from bank.holds import expire
from tests.integration.api import Client, RunningBank, serving, settings_for
from tests.integration.payers import SetClock

NOW = "2026-11-02T12:00:00.000000Z"
LATER = "2026-11-02T12:01:40.000000Z"


def brl(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "BRL"}


@dataclass
class BankWithFees:
    """Ana with R$ 100.00, Bia with no money, and an operator; a bank with a stopped clock and with fees."""

    bank: RunningBank
    clock: SetClock
    ana: Client
    bia: Client
    staff: Client
    a: dict[str, Any]
    b: dict[str, Any]

    def transfer(self, key: str = "t", amount: str = "10.00", **more: Any) -> dict[str, Any]:
        given = {"fromAccountId": self.a["id"], "toAccountNumber": self.b["number"], "amount": brl(amount)}
        return {"idempotencyKey": key, **given, **more}

    def transaction(self, kind: str, amount: str, *, sender: str | None, receiver: str | None) -> dict[str, Any]:
        """Return the expected receipt without its id."""
        sides = {"fromAccountNumber": sender, "toAccountNumber": receiver}
        related = {"relatedTransactionId": None, "holdId": None}
        return {"kind": kind, "amount": brl(amount), **sides, "createdAt": NOW, **related}


@pytest.fixture
async def bank_with_fees(
    database_url: str, redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[BankWithFees]:
    clock = SetClock()
    # Expiry runs only at the start, so that the decision alone must find that a hold has expired.
    monkeypatch.setattr(expire, "EVERY_S", 3_600.0)
    settings = settings_for(database_url, redis_url, transfer_fee="0.50", withdrawal_fee="2.00")
    async with serving(settings, clock=clock) as bank:
        ana, bia, staff = await bank.client.person(), await bank.client.person(), await bank.staff()
        a, b = await ana.account(), await bia.account()
        await staff.deposit(a["number"], "100.00", "fund")
        yield BankWithFees(bank, clock, ana, bia, staff, a, b)


def receipt_of(payload: dict[str, Any], name: str = "transaction") -> dict[str, Any]:
    """Return the receipt of a payload without the ids of the bank, after checking that they exist."""
    receipt = dict(payload[name])
    assert receipt.pop("id")
    return receipt


async def test_a_transfer_receipt_has_both_accounts_the_fee_and_the_balances(bank_with_fees: BankWithFees) -> None:
    payload = (await bank_with_fees.ana.run("Transfer", input=bank_with_fees.transfer(description="rent"))).data[
        "transfer"
    ]
    a, b = bank_with_fees.a["number"], bank_with_fees.b["number"]
    assert receipt_of(payload) == {
        **bank_with_fees.transaction("TRANSFER", "10.00", sender=a, receiver=b),
        "description": "rent",
    }
    assert (payload["balanceAfter"], payload["fee"], payload["replayed"]) == (brl("89.50"), brl("0.50"), False)


async def test_a_deposit_receipt_has_only_the_credited_account(bank_with_fees: BankWithFees) -> None:
    given = {
        "idempotencyKey": "d",
        "accountNumber": bank_with_fees.b["number"],
        "amount": brl("5.00"),
        "description": "cash",
    }
    payload = (await bank_with_fees.staff.run("Deposit", input=given)).data["deposit"]
    due = bank_with_fees.transaction("DEPOSIT", "5.00", sender=None, receiver=bank_with_fees.b["number"])
    assert receipt_of(payload) == {**due, "description": "cash"}
    assert (payload["balanceAfter"], payload["replayed"]) == (brl("5.00"), False)


async def test_a_withdrawal_receipt_has_only_the_debited_account(bank_with_fees: BankWithFees) -> None:
    given = {
        "idempotencyKey": "w",
        "accountNumber": bank_with_fees.a["number"],
        "amount": brl("7.00"),
        "description": "taxi",
    }
    payload = (await bank_with_fees.ana.run("Withdraw", input=given)).data["withdraw"]
    due = bank_with_fees.transaction("WITHDRAWAL", "7.00", sender=bank_with_fees.a["number"], receiver=None)
    assert receipt_of(payload) == {**due, "description": "taxi"}
    assert (payload["balanceAfter"], payload["fee"], payload["replayed"]) == (brl("91.00"), brl("2.00"), False)


async def test_each_item_of_a_list_has_a_receipt_of_its_own(bank_with_fees: BankWithFees) -> None:
    items = [bank_with_fees.transfer(amount=amount, description=f"item {amount}") for amount in ("1.00", "2.00")]
    for item in items:
        del item["idempotencyKey"]
    given = {"idempotencyKey": "l", "transfers": items}
    payload = (await bank_with_fees.ana.run("TransferBatch", input=given)).data["transferBatch"]
    assert payload["replayed"] is False
    a, b = bank_with_fees.a["number"], bank_with_fees.b["number"]
    for result, amount, left in zip(payload["results"], ("1.00", "2.00"), ("98.50", "96.00"), strict=True):
        due = bank_with_fees.transaction("TRANSFER", amount, sender=a, receiver=b)
        assert receipt_of(result) == {**due, "description": f"item {amount}"}
        assert (result["balanceAfter"], result["fee"], result["userErrors"]) == (brl(left), brl("0.50"), [])


async def test_a_reversal_receipt_has_swapped_accounts_and_the_original(bank_with_fees: BankWithFees) -> None:
    first = (await bank_with_fees.ana.run("Transfer", input=bank_with_fees.transfer())).data["transfer"]["transaction"]
    given = {"idempotencyKey": "r", "transactionId": first["id"], "amount": brl("4.00"), "reason": "broken"}
    payload = (await bank_with_fees.bia.run("ReverseTransaction", input=given)).data["reverseTransaction"]
    due = bank_with_fees.transaction(
        "REVERSAL", "4.00", sender=bank_with_fees.b["number"], receiver=bank_with_fees.a["number"]
    )
    assert receipt_of(payload) == {**due, "description": "broken", "relatedTransactionId": first["id"]}
    assert payload["replayed"] is False


async def test_a_hold_has_every_field_after_each_of_its_changes(bank_with_fees: BankWithFees) -> None:
    made = await _hold(bank_with_fees, "h")
    due = {
        "status": "AUTHORIZED",
        "amount": brl("30.00"),
        "captured": brl("0.00"),
        "fromAccountNumber": bank_with_fees.a["number"],
        "toAccountNumber": bank_with_fees.b["number"],
        "description": "hotel",
        "expiresAt": LATER,
        "createdAt": NOW,
    }
    assert (receipt_of(made, "hold"), made["availableAfter"], made["replayed"]) == (due, brl("70.00"), False)
    given = {"idempotencyKey": "c", "holdId": made["hold"]["id"], "amount": brl("20.00")}
    taken = (await bank_with_fees.bia.run("CaptureHold", input=given)).data["captureHold"]
    assert receipt_of(taken, "hold") == {**due, "status": "CAPTURED", "captured": brl("20.00")}
    moved = bank_with_fees.transaction(
        "CAPTURE", "20.00", sender=bank_with_fees.a["number"], receiver=bank_with_fees.b["number"]
    )
    assert receipt_of(taken) == {**moved, "description": "hotel", "holdId": made["hold"]["id"]}
    assert (taken["availableAfter"], taken["replayed"]) == (brl("80.00"), False)

    other = await _hold(bank_with_fees, "i")
    given = {"idempotencyKey": "e", "holdId": other["hold"]["id"]}
    freed = (await bank_with_fees.bia.run("ReleaseHold", input=given)).data["releaseHold"]
    assert receipt_of(freed, "hold") == {**due, "status": "RELEASED"}
    assert (freed["availableAfter"], freed["replayed"]) == (brl("80.00"), False)


async def _hold(bank_with_fees: BankWithFees, key: str) -> dict[str, Any]:
    given = {**bank_with_fees.transfer(key, "30.00"), "expiresAt": LATER, "description": "hotel"}
    made: dict[str, Any] = (await bank_with_fees.ana.run("AuthorizeHold", input=given)).data["authorizeHold"]
    return made


async def test_a_hold_without_a_requested_expiry_has_the_default_one(bank_with_fees: BankWithFees) -> None:
    payload = (await bank_with_fees.ana.run("AuthorizeHold", input=bank_with_fees.transfer("h"))).data["authorizeHold"]
    assert payload["hold"]["expiresAt"] == "2026-11-09T12:00:00.000000Z"


@pytest.mark.parametrize(
    ("life", "code"),
    [
        (timedelta(0), "INVALID_INPUT"),
        (timedelta(microseconds=1), None),
        (timedelta(days=30), None),
        (timedelta(days=30, microseconds=1), "INVALID_INPUT"),
    ],
)
async def test_a_hold_expires_in_the_future_and_within_thirty_days(
    bank_with_fees: BankWithFees, life: timedelta, code: str | None
) -> None:
    ends = (bank_with_fees.clock.moment + life).isoformat()
    given = {**bank_with_fees.transfer("h"), "expiresAt": ends}
    errors = (await bank_with_fees.ana.run("AuthorizeHold", input=given)).data["authorizeHold"]["userErrors"]
    assert [error["code"] for error in errors] == ([] if code is None else [code])


@pytest.mark.parametrize("operation", ["CaptureHold", "ReleaseHold"])
async def test_a_hold_past_its_expiry_cannot_be_ended_before_the_bank_expires_it(
    bank_with_fees: BankWithFees, operation: str
) -> None:
    made = await _hold(bank_with_fees, "h")
    field = operation[0].lower() + operation[1:]
    bank_with_fees.clock.moment = datetime(2026, 11, 2, 12, 1, 40, tzinfo=UTC)
    given = {"idempotencyKey": "c", "holdId": made["hold"]["id"]}
    payload = (await bank_with_fees.bia.run(operation, input=given)).data[field]
    assert [error["code"] for error in payload["userErrors"]] == ["HOLD_ENDED"]
    assert await bank_with_fees.bia.balance(bank_with_fees.b["id"]) == "0.00"


async def test_a_page_of_history_shows_every_field_of_every_line(bank_with_fees: BankWithFees) -> None:
    sent = (await bank_with_fees.ana.run("Transfer", input=bank_with_fees.transfer(description="rent"))).data[
        "transfer"
    ]["transaction"]
    fields = (
        "cursor change { amount currency } balanceAfter { amount currency } node { id kind amount { amount currency } "
        "fromAccountNumber toAccountNumber description createdAt relatedTransactionId holdId }"
    )
    document = f"query Q($id: ID!) {{ account(id: $id) {{ transactions {{ edges {{ {fields} }} nodes {{ id }} }} }} }}"
    shown = (await bank_with_fees.ana.send(document, {"id": bank_with_fees.a["id"]})).data["account"]["transactions"]
    fee, transfer, deposit = shown["edges"]
    assert [node["id"] for node in shown["nodes"]] == [edge["node"]["id"] for edge in shown["edges"]]
    assert (transfer["change"], transfer["balanceAfter"]) == (brl("-10.00"), brl("90.00"))
    assert transfer["node"] == sent
    assert (fee["change"], fee["balanceAfter"]) == (brl("-0.50"), brl("89.50"))
    due = bank_with_fees.transaction("FEE", "0.50", sender=bank_with_fees.a["number"], receiver=None)
    assert receipt_of(fee, "node") == {**due, "description": None, "relatedTransactionId": sent["id"], "holdId": None}
    assert (deposit["change"], deposit["balanceAfter"]) == (brl("100.00"), brl("100.00"))
    assert len({edge["cursor"] for edge in shown["edges"]}) == 3


@pytest.mark.parametrize("first", [1, 2, 3, 4])
async def test_pages_of_any_size_show_every_line_once_with_correct_page_info(
    bank_with_fees: BankWithFees, first: int
) -> None:
    await bank_with_fees.ana.run("Transfer", input=bank_with_fees.transfer())
    document = (
        "query Q($id: ID!, $first: Int!, $after: String) { account(id: $id) { transactions(first: $first,"
        " after: $after) { edges { cursor node { kind } }"
        " pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } } }"
    )
    seen: list[str] = []
    after: str | None = None
    for _ in range(4):
        variables = {"id": bank_with_fees.a["id"], "first": first, "after": after}
        page = (await bank_with_fees.ana.send(document, variables)).data["account"]["transactions"]
        info, cursors = page["pageInfo"], [edge["cursor"] for edge in page["edges"]]
        seen += [edge["node"]["kind"] for edge in page["edges"]]
        assert info["hasPreviousPage"] is (after is not None)
        assert (info["startCursor"], info["endCursor"]) == (cursors[0], cursors[-1])
        assert info["hasNextPage"] is (len(seen) < 3)
        after = info["endCursor"]
        if not info["hasNextPage"]:
            break
    assert seen == ["FEE", "TRANSFER", "DEPOSIT"]


async def test_a_profile_shows_every_field(bank_with_fees: BankWithFees) -> None:
    document = "{ me { id email fullName cpf role createdAt accounts { id number currency status createdAt } } }"
    given = {"email": "Caio@Example.com", "fullName": "Caio  de Melo", "cpf": "52998224725"}
    await bank_with_fees.bank.client.run("Register", input={**given, "password": "a lamp for the long winter"})
    pair = (
        await bank_with_fees.bank.client.run(
            "Login", input={"email": "caio@example.com", "password": "a lamp for the long winter"}
        )
    ).data["login"]["tokens"]
    caio = Client(bank_with_fees.bank.client.http, bank_with_fees.bank.client.url, pair["accessToken"])
    account = await caio.account()
    me = (await caio.send(document)).data["me"]
    assert (me["email"], me["fullName"]) == ("caio@example.com", "Caio de Melo")
    assert (me["cpf"], me["role"], me["createdAt"]) == ("529.982.247-25", "CUSTOMER", NOW)
    due = {"id": account["id"], "number": account["number"], "currency": "BRL", "status": "ACTIVE", "createdAt": NOW}
    assert me["accounts"] == [due]
    settings = bank_with_fees.bank.bank.settings
    lives = settings.access_token_life, settings.refresh_token_life
    ends = [datetime.fromisoformat(pair[f"{name}TokenExpiresAt"]) for name in ("access", "refresh")]
    assert [end - bank_with_fees.clock.moment for end in ends] == list(lives)


async def test_staff_cannot_debit_customers_by_transfer_list_or_hold(bank_with_fees: BankWithFees) -> None:
    """Staff may withdraw money from the bank, but only the owner may move it between accounts."""
    item = bank_with_fees.transfer("t")
    del item["idempotencyKey"]
    documents = {
        "Transfer": bank_with_fees.transfer("t"),
        "TransferBatch": {"idempotencyKey": "l", "transfers": [item]},
        "AuthorizeHold": bank_with_fees.transfer("h"),
    }
    for operation, given in documents.items():
        payload = (await bank_with_fees.staff.run(operation, input=given)).data[operation[0].lower() + operation[1:]]
        assert [error["code"] for error in payload["userErrors"]] == ["ACCOUNT_NOT_FOUND"], operation
    assert await bank_with_fees.ana.balance(bank_with_fees.a["id"]) == "100.00"
