"""Synthetic people: their roles, and what the bank is to know of them."""

from dataclasses import dataclass
from enum import StrEnum


class Role(StrEnum):
    """The role of a person in the run.

    A teller is the operator who pays money in. A household moves money between its own accounts only, so that their sum
    may never change. A trader pays others. A merchant is paid and pays nobody. An employer pays salaries.
    """

    TELLER = "teller"
    HOUSEHOLD = "household"
    TRADER = "trader"
    MERCHANT = "merchant"
    EMPLOYER = "employer"


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody who banks. `index` is the person's number in the plan; `cpf` has eleven digits and no punctuation."""

    index: int
    role: Role
    full_name: str
    email: str
    cpf: str
    password: str

    def __repr__(self) -> str:
        """Leave out what may not be shown."""
        return f"Person({self.index}, {self.role})"


def punctuated(digits: str) -> str:
    """Return a CPF in its printed form, 000.000.000-00."""
    return f"{digits[:3]}.{digits[3:6]}.{digits[6:9]}-{digits[9:]}"
