"""The requests of which the situations of the warm-up consist."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Protocol

from simulation.model.operations import MONEY_KINDS, Intent, Kind, Operation
from simulation.plan.values import draw_key

TELLER = 0
MS = 1_000_000

LONG_MS = 600_000
"""The life of a hold that is captured or released before its expiry."""


class OperationGenerator(Protocol):
    """The generator of the other operations and accounts, which the warm-up uses."""

    def opening(self, at_ns: int, person: int, with_key: str, intent: Intent = Intent.PLAIN) -> Operation:
        """Draw the opening of one more account."""


class WarmupSteps:
    """The operations of the warm-up so far, in which each operation waits for those that it needs.

    `ana` is a trader and `bia` another person, both by their number in the plan.
    """

    def __init__(self, random: Random, generator: OperationGenerator, ana: int, bia: int) -> None:
        self.random = random
        self.generator = generator
        self.ana = ana
        self.bia = bia
        self.operations: list[Operation] = []
        self.funded: Operation | None = None

    def add(self, at_ms: int, kind: Kind, person: int, **more: object) -> Operation:
        """Add one request, which is sent after the answers that it needs."""
        fields: dict[str, object] = {"after": self.funded, "slot": self.random.randrange(1_000), **more}
        operation = Operation("warmup", at_ms * MS, kind, Intent.PLAIN, person, 0)
        if kind in MONEY_KINDS:
            operation.key = draw_key(self.random)
        operation = replace(operation, **fields)  # type: ignore[arg-type]  # fields of Operation
        self.operations.append(operation)
        return operation

    def repeat(self, first: Operation, at_ms: int, intent: Intent, **changes: object) -> Operation:
        """Add a request with the key of an earlier one, or the next page of an earlier one, with changed fields."""
        operation = replace(first, at_ns=at_ms * MS, intent=intent, follows=first, waits=True, slot=first.slot + 1)
        operation = replace(operation, **changes)  # type: ignore[arg-type]  # fields of Operation
        self.operations.append(operation)
        return operation

    def open_account(self, person: int, amount: str, at_ms: int = 0) -> int:
        """Add the opening of an account and a deposit; return the number of the account in the plan."""
        opening = self.generator.opening(at_ms * MS, person, draw_key(self.random))
        opening.phase = "warmup"
        self.operations.append(opening)
        assert opening.account is not None
        self.funded = None
        self.funded = self.add(at_ms, Kind.DEPOSIT, TELLER, account=opening.account, amount=amount, after=opening)
        return opening.account

    def pay(self, at_ms: int, source: int, target: int, amount: str = "1.00", **more: object) -> Operation:
        """Add a transfer by the first person."""
        return self.add(at_ms, Kind.TRANSFER, self.ana, account=source, target=target, amount=amount, **more)

    def authorize(self, at_ms: int, source: int, target: int, **more: object) -> Operation:
        """Add a hold by the first person."""
        fields: dict[str, object] = {"amount": "3.00", "life_ms": LONG_MS, **more}
        return self.add(at_ms, Kind.AUTHORIZE, self.ana, account=source, target=target, **fields)

    def chain(self, requests: Sequence[Operation]) -> None:
        """Let each request wait for the answer to the previous one."""
        for earlier, later in pairwise(requests):
            later.after = earlier

    def read(self, kind: Kind, at_ms: int, account: int, **more: object) -> None:
        """Add a read by the first person."""
        is_one = kind is not Kind.ME
        size = 5 if kind is Kind.HISTORY else None
        self.add(at_ms, kind, self.ana, account=account if is_one else None, page_size=size, **more)

    def read_through_two_workers(self, at_ms: int, *accounts: int, **more: object) -> None:
        """Add reads of all these accounts through two workers."""
        for slot in (0, 1):
            self.read(Kind.ME, at_ms, accounts[0], slot=slot, **more)
            for account in accounts:
                self.read(Kind.BALANCE, at_ms, account, slot=slot, **more)
