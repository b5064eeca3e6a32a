"""Two users with accounts and an operator, and each mutation of money in one line."""

import itertools
from dataclasses import dataclass, field
from typing import Any

from tests.integration.api import Client, RunningBank

_TRANSACTION = "transaction { id kind amount { amount } fromAccountNumber toAccountNumber relatedTransactionId holdId }"
_ERRORS = "userErrors { code message field }"
_APPROVAL = (
    "approval { id kind status requestedBy decidedBy accountNumber amount { amount } transactionId description"
    " perTransfer { amount } perDay { amount } oldPerTransfer { amount } oldPerDay { amount } userId role oldRole"
    " reason transaction { id amount { amount } relatedTransactionId } refusal { code message } }"
)
_HOLD = "hold { id status amount { amount } captured { amount } expiresAt }"
_MUTATIONS = {
    "withdraw": (
        "WithdrawInput",
        f"{_TRANSACTION} balanceAfter {{ amount }} fee {{ amount }} {_APPROVAL} replayed {_ERRORS}",
    ),
    "transfer": ("TransferInput", f"{_TRANSACTION} balanceAfter {{ amount }} fee {{ amount }} replayed {_ERRORS}"),
    "deposit": ("DepositInput", f"{_TRANSACTION} balanceAfter {{ amount }} {_APPROVAL} replayed {_ERRORS}"),
    "transferBatch": (
        "TransferBatchInput",
        f"results {{ {_TRANSACTION} balanceAfter {{ amount }} {_ERRORS} }} replayed {_ERRORS}",
    ),
    "reverseTransaction": ("ReverseTransactionInput", f"{_TRANSACTION} {_APPROVAL} replayed {_ERRORS}"),
    "authorizeHold": ("AuthorizeHoldInput", f"{_HOLD} availableAfter {{ amount }} replayed {_ERRORS}"),
    "captureHold": ("CaptureHoldInput", f"{_HOLD} {_TRANSACTION} availableAfter {{ amount }} replayed {_ERRORS}"),
    "releaseHold": ("ReleaseHoldInput", f"{_HOLD} availableAfter {{ amount }} replayed {_ERRORS}"),
    "freezeAccount": ("FreezeAccountInput", f"account {{ status }} {_ERRORS}"),
    "unfreezeAccount": ("FreezeAccountInput", f"account {{ status }} {_ERRORS}"),
    "closeAccount": ("CloseAccountInput", f"account {{ status }} {_ERRORS}"),
    "setAccountLimits": (
        "SetAccountLimitsInput",
        f"account {{ limits {{ perTransfer {{ amount }} perDay {{ amount }} leftToday {{ amount }} }} }} "
        f"{_APPROVAL} {_ERRORS}",
    ),
    "approve": ("ApproveInput", f"{_APPROVAL} replayed {_ERRORS}"),
    "reject": ("RejectInput", f"{_APPROVAL} {_ERRORS}"),
    "changeRole": ("ChangeRoleInput", f"{_APPROVAL} {_ERRORS}"),
}


def brl(amount: str) -> dict[str, str]:
    return {"amount": amount, "currency": "BRL"}


@dataclass
class Person:
    """A user with one account."""

    client: Client
    account: dict[str, Any]
    keys: Any = field(default_factory=lambda: (f"key-{number}" for number in itertools.count()))

    @property
    def number(self) -> str:
        return str(self.account["number"])

    @property
    def id(self) -> str:
        return str(self.account["id"])

    async def mutate(self, mutation: str, **given: Any) -> dict[str, Any]:
        """Send a mutation. `key` is its idempotency key; by default it is a new one."""
        kind, fields = _MUTATIONS[mutation]
        if not mutation.endswith(("Account", "Limits", "reject", "Role")):
            given["idempotencyKey"] = given.pop("key", None) or next(self.keys)
        document = f"mutation M($input: {kind}!) {{ {mutation}(input: $input) {{ {fields} }} }}"
        reply = await self.client.send(document, {"input": given})
        payload: dict[str, Any] = reply.data[mutation]
        return payload

    async def refused(self, mutation: str, **given: Any) -> tuple[str, list[str] | None]:
        """Send a mutation that is refused. Returns the code and the field."""
        payload = await self.mutate(mutation, **given)
        (error,) = payload["userErrors"]
        return error["code"], error["field"]

    async def read(self, fields: str, **headers: str) -> dict[str, Any]:
        """Return fields of the account."""
        reply = await self.client.send(
            f"query Q($id: ID!) {{ account(id: $id) {{ {fields} }} }}", {"id": self.id}, headers=headers or None
        )
        account: dict[str, Any] = reply.data["account"]
        return account

    async def money(self) -> tuple[str, str, str]:
        """Return the balance, the available and the held amount. The cache and the database must agree."""
        fields = "balance { amount } availableBalance { amount } heldBalance { amount }"
        seen = await self.read(fields)
        assert seen == await self.read(fields, **{"Cache-Control": "no-cache"})
        balance, available, held = (seen[name]["amount"] for name in ("balance", "availableBalance", "heldBalance"))
        return balance, available, held


@dataclass
class Customers:
    """Ana with R$ 100.00, Bia with no money, and an operator."""

    ana: Person
    bia: Person
    staff: Person


async def register_customers(bank: RunningBank) -> Customers:
    """Register two users and deposit money for Ana."""
    people = []
    for _ in range(2):
        client = await bank.client.person()
        people.append(Person(client, await client.account()))
    staff = Person(await bank.staff(), {})
    ana, bia = people
    await staff.mutate("deposit", accountNumber=ana.number, amount=brl("100.00"))
    return Customers(ana, bia, staff)
