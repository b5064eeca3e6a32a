"""The generator of synthetic people, with data that is valid in form and drawn from the seed.

Names come from Faker and have no effect on a run. E-mail address, CPF, password and role come from the seed alone, so
the plan is the same with every version of Faker.
"""

from collections.abc import Callable
from random import Random

from faker import Faker

from simulation.model.people import Person, Role

SAFE_CHARACTERS = "abcdefghijkmnpqrstuvwxyzABCDEFGHJKLMNPQRSTUVWXYZ23456789"
"""Letters and digits without those that look alike."""

SECRET_LENGTH = 20
"""The length of passwords: more than the bank's minimum of 15, and random, so no password is refused as weak."""


def cpf(random: Random) -> str:
    """Draw a CPF with valid check digits, but not one of eleven equal digits, which the tax office rejects."""
    digits = [random.randrange(10) for _ in range(9)]
    if len(set(digits)) == 1:
        digits[0] = (digits[0] + 1) % 10
    for _ in range(2):
        weights = range(len(digits) + 1, 1, -1)
        rest = sum(weight * digit for weight, digit in zip(weights, digits, strict=True)) * 10 % 11
        digits.append(rest % 10)
    return "".join(map(str, digits))


def make_people(random: Random, roles: list[Role], *, own_addresses: bool = False) -> tuple[Person, ...]:
    """Draw one person for each role, in this order, with unique CPFs and e-mail addresses.

    With `own_addresses`, each has a client address in a network of their own (in the range of RFC 3849).
    """
    name = _names(random.randrange(2**32))
    taken: set[str] = set()
    people: list[Person] = []
    for index, role in enumerate(roles):
        number = cpf(random)
        while number in taken:
            number = cpf(random)
        taken.add(number)
        people.append(
            Person(
                index=index,
                role=role,
                full_name=name(),
                email=f"{role}-{index:04d}-{random.randrange(16**6):06x}@example.com",
                cpf=number,
                password="".join(random.choices(SAFE_CHARACTERS, k=SECRET_LENGTH)),
                address=f"2001:db8:{index + 1:x}::7" if own_addresses else None,
            )
        )
    return tuple(people)


def _names(seed: int) -> Callable[[], str]:
    faker = Faker("pt_BR")
    faker.seed_instance(seed)
    return lambda: str(faker.name())
