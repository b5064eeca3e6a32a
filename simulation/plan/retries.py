"""Every way to send an idempotency key again, right and wrong, drawn for a plan."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from random import Random
from typing import Protocol

from simulation.model.operations import Intent, Kind, Operation
from simulation.plan.values import decimal, draw_key

BURST = 50
"""So many at once send the same key: more than one batch takes in while another is written."""

LATER_NS = (50_000_000, 1_500_000_000)
"""How much later a key is sent again: from at once to after a person has looked up."""

TOO_LONG = 256
"""One character more than a key may have."""


class Bankers(Protocol):
    """The drawn operations of others that are sent again here."""

    def payment(self, at_ns: int) -> Operation:
        """Draw a transfer from a trader to somebody who is paid."""

    def inside_household(self, at_ns: int) -> Operation:
        """Draw a transfer between accounts of one household."""

    def recent_transfer(self, at_ns: int) -> Operation | None:
        """Draw one of the transfers of the last seconds, if there are any."""

    def opening(self, at_ns: int, person: int, with_key: str, intent: Intent = Intent.PLAIN) -> Operation:
        """Draw the opening of one more account."""


class Retries:
    """Draws requests together with what is to become of their keys; one method for each entry of a scenario's mix."""

    def __init__(self, random: Random, bankers: Bankers, *, teller: int) -> None:
        self._random = random
        self._bankers = bankers
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
        """Return the operation once more, after its answer, through the next worker."""
        at_ns = operation.at_ns + self._random.randrange(*LATER_NS)
        return replace(operation, at_ns=at_ns, intent=intent, slot=operation.slot + 1, follows=operation, waits=True)

    def _then(self, operation: Operation, after: Operation, **changes: object) -> Operation:
        """Return a request that comes after another one's answer and repeats nothing."""
        at_ns = max(operation.at_ns, after.at_ns) + self._random.randrange(*LATER_NS)
        changed: Operation = replace(operation, at_ns=at_ns, after=after, **changes)  # type: ignore[arg-type]  # fields of Operation
        return changed

    def _respelled(self, at_ns: int) -> list[Operation]:
        first = self._bankers.payment(at_ns)
        first.amount = decimal(10 * self._random.randint(10, 500))  # whole tens of cents have two spellings
        return [first, self._later(first, Intent.RESPELLED)]

    def _aliases(self, at_ns: int) -> list[Operation]:
        """One document with the same transfer twice; every other time the second is for another amount."""
        first = self._bankers.payment(at_ns)
        second = replace(first, intent=Intent.ALIAS, follows=first)
        if self._random.randrange(2):
            second.amount = decimal(6_666_600 + self._random.randrange(100))  # more than any plan moves otherwise
        return [first, second]

    def _other_mutation(self, at_ns: int) -> list[Operation]:
        """Open an account with the key of a transfer, or transfer with the key of an opening."""
        payment = self._bankers.payment(at_ns)
        assert payment.key is not None
        opening = self._bankers.opening(at_ns, payment.person, payment.key)
        first, second = (payment, opening) if self._random.randrange(2) else (opening, payment)
        second.at_ns += self._random.randrange(*LATER_NS)
        second.intent, second.follows, second.waits = Intent.OTHER_MUTATION, first, True
        return [first, second]

    def _other_caller(self, at_ns: int) -> list[Operation]:
        """Use a key that somebody else has used; never the same one twice, for then it is one's own."""
        recent = self._bankers.recent_transfer(at_ns)
        theirs = recent if recent is not None and recent.key not in self._borrowed else self._bankers.payment(at_ns)
        self._borrowed.add(theirs.key)
        mine = self._bankers.payment(at_ns)
        if mine.person == theirs.person:
            mine = self._bankers.inside_household(at_ns)
        then = self._then(mine, theirs, key=theirs.key, intent=Intent.OTHER_CALLER)
        return [then] if theirs is recent else [theirs, then]

    def _wrong_key(self, at_ns: int) -> list[Operation]:
        operation = self._bankers.payment(at_ns)
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
        """Mistype the amount, then put it right under the same key."""
        right = self._bankers.payment(at_ns)
        intent, amount = self._random.choice(((Intent.ZERO_AMOUNT, "0.00"), (Intent.TOO_PRECISE, "10.005")))
        wrong = replace(right, intent=intent, amount=amount)
        return [wrong, self._then(right, wrong)]

    def _unauthorised(self, at_ns: int) -> list[Operation]:
        """Ask without having logged in, or for what only the bank's people may do; then properly, with the same key."""
        right = self._bankers.payment(at_ns)
        wrong = replace(right, intent=Intent.NO_TOKEN)
        if self._random.randrange(2):
            wrong = replace(right, kind=Kind.DEPOSIT, intent=Intent.FORBIDDEN, target=None)
        return [wrong, self._then(right, wrong)]

    def _refreshed(self, at_ns: int) -> list[Operation]:
        """Send it again after the person has traded the token for another."""
        first = self._bankers.payment(at_ns)
        refresh = self._then(Operation("drive", at_ns, Kind.REFRESH, Intent.PLAIN, first.person, first.slot), first)
        again = self._later(first, Intent.REPLAY)
        again.at_ns, again.after = max(again.at_ns, refresh.at_ns), refresh
        return [first, refresh, again]

    def _refused_then_funded(self, at_ns: int) -> list[Operation]:
        """Try to pay more than there is, receive just that, and send the first request again: it stays refused."""
        first = self._bankers.payment(at_ns)
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
        """Fifty requests with one key at the same moment, over all workers; one in four opens an account."""
        first = self._bankers.payment(at_ns)
        if self._random.randrange(4) == 0:
            first = self._bankers.opening(at_ns, first.person, draw_key(self._random))
        others = range(first.slot + 1, first.slot + BURST)
        return [first, *(replace(first, intent=Intent.DUPLICATE, slot=slot, follows=first) for slot in others)]
