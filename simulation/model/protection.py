"""The limits with which the bank defends itself in a scenario, which the bank gets from its settings."""

from collections.abc import Mapping
from dataclasses import dataclass

Limit = tuple[int, int]
"""A number of operations, and the seconds in which this quota is restored."""

OWN_ADDRESSES = "127.0.0.0/8,::1"
"""The addresses of the simulation, which sends the requests of all people."""


@dataclass(frozen=True, slots=True)
class Protection:
    """The rate limits, and the seconds in which a refresh can be repeated. The simulation is the proxy of all clients.

    The limits are per client address, and those of `money` and `read` also per person.
    """

    login: Limit
    registration: Limit
    money: Limit
    read: Limit
    refresh_grace_s: int

    def environment(self) -> Mapping[str, str]:
        """Return the bank's settings."""
        return {
            "BANK_TRUSTED_PROXIES": OWN_ADDRESSES,
            "BANK_RATE_LIMIT_LOGIN": _setting(self.login),
            "BANK_RATE_LIMIT_REGISTRATION": _setting(self.registration),
            "BANK_RATE_LIMIT_MONEY_PERSON": _setting(self.money),
            "BANK_RATE_LIMIT_MONEY_ADDRESS": _setting(self.money),
            "BANK_RATE_LIMIT_READ_PERSON": _setting(self.read),
            "BANK_RATE_LIMIT_READ_ADDRESS": _setting(self.read),
            "BANK_REFRESH_TOKEN_GRACE_S": str(self.refresh_grace_s),
        }


def _setting(limit: Limit) -> str:
    return f"{limit[0]}/{limit[1]}"


# All people have one address in other scenarios, and a few of them send most of the load.
UNLIMITED: Mapping[str, str] = {"BANK_RATE_LIMIT_EXEMPT": OWN_ADDRESSES}
"""The settings of a scenario without limits."""
