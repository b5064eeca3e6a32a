"""The generator of attacks: when which attacker attacks whom, from which addresses and with which guesses."""

from collections.abc import Sequence
from random import Random
from string import ascii_lowercase

from simulation.model.attacks import Attack, AttackKind, CanaryPath, Theft
from simulation.model.people import Person, Role
from simulation.plan.people import SAFE_CHARACTERS

NETWORKS = ("198.51.100", "203.0.113")
"""The networks of attackers (RFC 5737), which no other person has."""

BOTNET = 12
"""Number of addresses of a credential stuffing: so many that no address exceeds a rate limit."""

GUESSES = 24
"""Number of logins of a credential stuffing. Each takes 45 ms of a core, which people need as well."""

GUESSED_PASSWORDS = ("correct horse battery staple", "Corinthians2024!", "brasil-brasil-brasil", "senha-do-banco-123")
"""Passwords that other people use. Nobody in the simulation has one of them."""

LAST_AT = 0.6
"""The last start of an attack, as a part of the duration, so that attacks end before the drive does."""


def draw_attacks(random: Random, people: Sequence[Person], *, duration_s: float) -> tuple[Attack, ...]:
    """Draw the attacks of a run, spread over the first part of the drive; none without attackers."""
    attackers = [person.index for person in people if person.role is Role.ATTACKER]
    if not attackers:
        return ()
    customers = [person for person in people if person.role not in {Role.TELLER, Role.ATTACKER}]
    addresses = _Addresses(random)
    # Each victim of a theft has a single theft, so that one closed session is the effect of one of them.
    victims = random.sample(customers, len(Theft))
    drawn: list[dict[str, object]] = [
        {"kind": AttackKind.TOKEN_THEFT, "victim": victim.index, "theft": theft, "addresses": addresses.take(1)}
        for theft, victim in zip(Theft, victims, strict=True)
    ]
    for count in (1, BOTNET):
        stuffing = {"kind": AttackKind.CREDENTIAL_STUFFING, "addresses": addresses.take(count)}
        drawn.append({**stuffing, "guesses": _guesses(random, customers)})
    guessing: dict[str, object] = {"kind": AttackKind.ID_GUESSING}
    drawn += [
        {"kind": AttackKind.BURST, "addresses": addresses.take(1)},
        {"kind": AttackKind.ALIASES, "addresses": addresses.take(1), "guesses": _guesses(random, customers)},
        {**guessing, "addresses": addresses.take(1)},
        {**guessing, "addresses": addresses.take(3)},
        {"kind": AttackKind.FORGED_TOKENS, "addresses": addresses.take(2)},
        {"kind": AttackKind.CANARIES, "addresses": addresses.take(1), "canaries": _canaries(random)},
    ]
    random.shuffle(drawn)
    every_ns = round(duration_s * 1e9 * LAST_AT / len(drawn))
    return tuple(
        Attack(
            **{  # type: ignore[arg-type]  # fields of Attack
                "index": index,
                "at_ns": index * every_ns + random.randrange(every_ns),
                "attacker": random.choice(attackers),
                "victim": random.choice(customers).index,
                "slot": random.randrange(1_000),
                **fields,
            }
        )
        for index, fields in enumerate(drawn)
    )


class _Addresses:
    """The addresses of the attackers, each used by one attack only."""

    def __init__(self, random: Random) -> None:
        self._left = [f"{network}.{host}" for network in NETWORKS for host in range(1, 255)]
        random.shuffle(self._left)

    def take(self, count: int) -> tuple[str, ...]:
        return tuple(self._left.pop() for _ in range(count))


def _canaries(random: Random) -> tuple[tuple[CanaryPath, str], ...]:
    """Draw a canary for each place: letters only, so that no encoding and no mask changes it by its form."""
    return tuple((path, f"canary{''.join(random.choices(ascii_lowercase, k=20))}") for path in CanaryPath)


def _guesses(random: Random, customers: Sequence[Person]) -> tuple[tuple[str, str], ...]:
    """Draw e-mail addresses, one in three of nobody, with passwords that are wrong."""
    guesses = []
    for number in range(GUESSES):
        nobody = f"{''.join(random.choices(SAFE_CHARACTERS, k=12)).lower()}@example.com"
        email = nobody if number % 3 == 0 else random.choice(customers).email
        guesses.append((email, random.choice(GUESSED_PASSWORDS)))
    return tuple(guesses)
