"""Synthetic people: their roles, and the personal data that they give to the bank."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The role of a person in the run.

    A teller is the operator who makes deposits. A household moves money between its own accounts only, so the sum of
    their balances must never change. A trader pays others. A merchant receives payments and pays nobody. An employer
    pays salaries. An attacker is a customer who only attacks.
    """

    TELLER = "teller"
    HOUSEHOLD = "household"
    TRADER = "trader"
    MERCHANT = "merchant"
    EMPLOYER = "employer"
    ATTACKER = "attacker"


@dataclass(frozen=True, slots=True)
class Person:
    """A synthetic user of the bank. `index` is the number in the plan; `cpf` has eleven digits and no punctuation.

    `address` is the client address that the proxy of the bank reports; None without a proxy.
    """

    index: int
    role: Role
    full_name: str
    email: str
    cpf: str
    password: str
    address: str | None = None

    def __repr__(self) -> str:
        """Return a text without personal data."""
        return f"Person({self.index}, {self.role})"


def punctuated(digits: str) -> str:
    """Return a CPF in its printed form, 000.000.000-00."""
    return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}"
