"""The generator of retries: every way to send an idempotency key again, valid or not."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Protocol

from simulation.model.operations import Intent, Kind, Operation
from simulation.plan.values import decimal, draw_key

BURST = 50
"""Number of concurrent requests with the same key: more than one batch collects while another is written."""

LATER_NS = (50_000_000, 1_500_000_000)
"""The least and the greatest delay of a retry: from a retry by software to one by a person."""

TOO_LONG = 256
"""The length of a key that is one character too long."""


class OperationGenerator(Protocol):
    """The generator of the other operations and accounts, which the retries use."""

    def payment(self, at_ns: int) -> Operation:
        """Draw a transfer from a trader to a payee."""

    def inside_household(self, at_ns: int) -> Operation:
        """Draw a transfer between accounts of one household."""

    def recent_transfer(self, at_ns: int) -> Operation | None:
        """Draw one of the transfers of the last seconds, if there are any."""

    def opening(self, at_ns: int, person: int, with_key: str, intent: Intent = Intent.PLAIN) -> Operation:
        """Draw the opening of one more account."""


class Retries:
    """A generator of requests and of further requests with their keys, with one method for each entry of a mix."""

    def __init__(self, random: Random, generator: OperationGenerator, *, teller: int) -> None:
        self._random = random
        self._generator = generator
        self._teller = teller
        self._borrowed: set[str | None] = set()

    def entries(self) -> Mapping[str, Callable[[int], list[Operation]]]:
        """Return the entries by name."""
        return {
            "respelled": self._respelled,
            "aliases": self._aliases,
            "other_mutation": self._other_mutation,
            "other_caller": self._other_caller,
            "wrong_key": self._wrong_key,
            "corrected": self._corrected,
            "unauthorised": self._unauthorised,
            "refreshed": self._refreshed,
            "refused_then_funded": self._refused_then_funded,
            "burst": self._burst,
        }

    def _later(self, operation: Operation, intent: Intent) -> Operation:
        """Return a repetition of the operation, after its answer and through the next worker."""
        at_ns = operation.at_ns + self._random.randrange(*LATER_NS)
        return replace(operation, at_ns=at_ns, intent=intent, slot=operation.slot + 1, follows=operation, waits=True)

    def _then(self, operation: Operation, after: Operation, **changes: object) -> Operation:
        """Return a request that is sent after the answer to another one, and does not repeat it."""
        at_ns = max(operation.at_ns, after.at_ns) + self._random.randrange(*LATER_NS)
        changed: Operation = replace(operation, at_ns=at_ns, after=after, **changes)  # type: ignore[arg-type]  # fields of Operation
        return changed

    def _respelled(self, at_ns: int) -> list[Operation]:
        first = self._generator.payment(at_ns)
        first.amount = decimal(10 * self._random.randint(10, 500))  # only a multiple of ten cents has two spellings
        return [first, self._later(first, Intent.RESPELLED)]

    def _aliases(self, at_ns: int) -> list[Operation]:
        """Draw one document with the same transfer twice; in half of them, the second has another amount."""
        first = self._generator.payment(at_ns)
        second = replace(first, intent=Intent.ALIAS, follows=first)
        if self._random.randrange(2):
            second.amount = decimal(6_666_600 + self._random.randrange(100))  # an amount that no other operation has
        return [first, second]

    def _other_mutation(self, at_ns: int) -> list[Operation]:
        """Draw an opening with the key of a transfer, or a transfer with the key of an opening."""
        payment = self._generator.payment(at_ns)
        assert payment.key is not None
        opening = self._generator.opening(at_ns, payment.person, payment.key)
        first, second = (payment, opening) if self._random.randrange(2) else (opening, payment)
        second.at_ns += self._random.randrange(*LATER_NS)
        second.intent, second.follows, second.waits = Intent.OTHER_MUTATION, first, True
        return [first, second]

    def _other_caller(self, at_ns: int) -> list[Operation]:
        """Draw a request with the key of another person, but with no key twice, because the second use is a replay."""
        recent = self._generator.recent_transfer(at_ns)
        theirs = recent if recent is not None and recent.key not in self._borrowed else self._generator.payment(at_ns)
        self._borrowed.add(theirs.key)
        mine = self._generator.payment(at_ns)
        if mine.person == theirs.person:
            mine = self._generator.inside_household(at_ns)
        then = self._then(mine, theirs, key=theirs.key, intent=Intent.OTHER_CALLER)
        return [then] if theirs is recent else [theirs, then]

    def _wrong_key(self, at_ns: int) -> list[Operation]:
        operation = self._generator.payment(at_ns)
        right = draw_key(self._random)
        wrong = {
            Intent.KEY_MISSING: None,
            Intent.KEY_EMPTY: "",
            Intent.KEY_TOO_LONG: (right * 8)[:TOO_LONG],
            Intent.KEY_MALFORMED: f"{right}\t",
        }
        operation.intent = self._random.choice(list(wrong))
        operation.key = wrong[operation.intent]
        if self._random.randrange(3) == 0:
            operation = replace(operation, kind=Kind.OPEN_ACCOUNT, account=None, target=None, amount=None)
        return [operation]

    def _corrected(self, at_ns: int) -> list[Operation]:
        """Draw a request with an invalid amount, and a corrected one with the same key."""
        right = self._generator.payment(at_ns)
        intent, amount = self._random.choice(((Intent.ZERO_AMOUNT, "0.00"), (Intent.TOO_PRECISE, "10.005")))
        wrong = replace(right, intent=intent, amount=amount)
        return [wrong, self._then(right, wrong)]

    def _unauthorised(self, at_ns: int) -> list[Operation]:
        """Draw a request without a token, or one that only staff may send, and a valid one with the same key."""
        right = self._generator.payment(at_ns)
        wrong = replace(right, intent=Intent.NO_TOKEN)
        if self._random.randrange(2):
            wrong = replace(right, kind=Kind.DEPOSIT, intent=Intent.FORBIDDEN, target=None)
        return [wrong, self._then(right, wrong)]

    def _refreshed(self, at_ns: int) -> list[Operation]:
        """Draw a request, a refresh of the session, and a retry with the new token."""
        first = self._generator.payment(at_ns)
        refresh = self._then(Operation("drive", at_ns, Kind.REFRESH, Intent.PLAIN, first.person, first.slot), first)
        again = self._later(first, Intent.REPLAY)
        again.at_ns, again.after = max(again.at_ns, refresh.at_ns), refresh
        return [first, refresh, again]

    def _refused_then_funded(self, at_ns: int) -> list[Operation]:
        """Draw a payment above the balance, a deposit of this amount, and a retry, which must still be refused."""
        first = self._generator.payment(at_ns)
        first.intent, first.amount = Intent.OVERDRAFT, decimal(self._random.randint(3_000_000, 9_000_000))
        money = Operation(
            "drive", at_ns, Kind.DEPOSIT, Intent.PLAIN, self._teller, first.slot, key=draw_key(self._random)
        )
        money.account, money.amount = first.account, first.amount
        money = self._then(money, first)
        again = self._later(first, Intent.REPLAY)
        again.at_ns, again.after = max(again.at_ns, money.at_ns), money
        return [first, money, again]

    def _burst(self, at_ns: int) -> list[Operation]:
        """Draw fifty requests with one key at the same moment, over all workers; one burst in four opens an account."""
        first = self._generator.payment(at_ns)
        if self._random.randrange(4) == 0:
            first = self._generator.opening(at_ns, first.person, draw_key(self._random))
        others = range(first.slot + 1, first.slot + BURST)
        return [first, *(replace(first, intent=Intent.DUPLICATE, slot=slot, follows=first) for slot in others)]
