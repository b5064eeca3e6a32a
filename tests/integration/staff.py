"""Members of staff with accounts, and requests that need an approval."""

from dataclasses import dataclass
from typing import Any

from bank.identity.roles import change_role
from tests.integration.api import RunningBank
from tests.integration.customers import Customers, Person, brl, register_customers

# Above the bank's default limit for staff alone, and below Ana's balance.
MUCH = "60000.00"
RICH = "500000.00"


async def member_of_staff(bank: RunningBank, name: str, role: str) -> Person:
    """Return a member of staff with an account."""
    email = f"{name}@example.com"
    await bank.client.person(email=email)
    await change_role(bank.bank.uow_factory, email=email, role=role)
    client = await bank.client.login(email)
    return Person(client, await client.account())


@dataclass
class Staffed:
    """Ana with R$ 500,000.00, Bia with no money, an operator who asks, and others who decide."""

    bank: RunningBank
    ana: Person
    bia: Person
    asker: Person
    operator: Person
    admin: Person

    async def asked(self, mutation: str, **given: Any) -> dict[str, Any]:
        """Return the pending request that a mutation of the asker makes."""
        payload = await self.asker.mutate(mutation, **given)
        assert payload["userErrors"] == [], payload
        approval: dict[str, Any] = payload["approval"]
        assert approval["status"] == "PENDING"
        return approval

    async def withdrawal(self, amount: str = MUCH, **more: Any) -> dict[str, Any]:
        """Return a pending request for a withdrawal from Ana's account."""
        return await self.asked("withdraw", accountNumber=self.ana.number, amount=brl(amount), **more)

    async def events(self, pattern: str = "%") -> list[tuple[str, str | None]]:
        """Return type and user of the events about approvals, and of those whose type is like a pattern."""
        async with self.bank.bank.database.connection() as connection:
            rows = await connection.fetch(
                "select event_type, user_id::text from event_store where aggregate_type = 'Approval'"
                " and event_type like $1 order by position", pattern,
            )  # fmt: skip
        return [(row["event_type"], row["user_id"]) for row in rows]

    async def count(self, table: str) -> int:
        """Return the number of rows of a table."""
        async with self.bank.bank.database.connection() as connection:
            count: int = await connection.fetchval(f"select count(*) from {table}")
        return count


async def with_staff(bank: RunningBank) -> Staffed:
    """Register the customers and the staff, and deposit Ana's money."""
    customers: Customers = await register_customers(bank)
    asker, operator, admin = [
        await member_of_staff(bank, name, role)
        for name, role in (("asker", "OPERATOR"), ("olga", "OPERATOR"), ("ada", "ADMIN"))
    ]
    staffed = Staffed(bank, customers.ana, customers.bia, asker, operator, admin)
    asked = await staffed.asked("deposit", accountNumber=customers.ana.number, amount=brl(RICH))
    assert (await operator.mutate("approve", approvalId=asked["id"]))["userErrors"] == []
    return staffed
