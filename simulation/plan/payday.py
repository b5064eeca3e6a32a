"""The generator of salaries, withdrawals, holds, refunds, and changes of accounts by staff."""

from bisect import bisect_left
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from random import Random
from typing import Protocol

from simulation.model.operations import Intent, Kind, Operation
from simulation.plan.values import decimal, draw_key

DELAY_NS = (60_000_000, 900_000_000)
"""The least and the greatest delay of a person's reaction to the operation of another person."""

REPLAY_AGE_NS = (50_000_000, 2_000_000_000)
"""The least and the greatest age of a request that is sent again, counted from its intended start."""

SHORT_MS, LONG_MS = 1_200, 600_000
"""The life of holds: of those that expire, and of those that are captured or released."""

BATCH_SIZE = (2, 6)
"""The least and the greatest number of salaries in a batch: enough that some can fail and others succeed."""

PAYMENTS_ABOVE_LIMIT = 12
"""Number of payments from a limited account. It is greater than `DAILY_LIMIT_FACTOR` in the client, so some exceed the
limit per day."""


class OperationGenerator(Protocol):
    """The generator of the other operations and accounts, which these operations use."""

    def payment(self, at_ns: int) -> Operation:
        """Draw a transfer from a trader to a payee."""

    def inside_household(self, at_ns: int) -> Operation:
        """Draw a transfer between accounts of one household."""

    def opening(self, at_ns: int, person: int, with_key: str, intent: Intent = Intent.PLAIN) -> Operation:
        """Draw the opening of one more account."""

    def owner_of(self, account: int) -> int:
        """Return the person who owns the account."""


class Payday:
    """A generator of the operations around salaries, with one method for each entry of a scenario's mix."""

    def __init__(self, random: Random, generator: OperationGenerator, *, teller: int, employers: Sequence[int]) -> None:
        self._random = random
        self._generator = generator
        self._teller = teller
        self._employers = list(employers)
        self._keyed: list[Operation] = []

    def entries(self) -> Mapping[str, Callable[[int], list[Operation]]]:
        """Return the entries by name."""
        return {
            "salaries": self._salaries,
            "withdrawal": self._withdrawal,
            "purchase": self._purchase,
            "household_purchase": self._household_purchase,
            "spend_held_money": self._spend_held_money,
            "refund": self._refund,
            "freeze": self._freeze,
            "limit": self._limit,
            "close": self._close,
            "statement": self._statement,
            "holds": self._holds,
            "replay": self._replay,
        }

    def _delay_ns(self) -> int:
        return self._random.randrange(*DELAY_NS)

    def _key(self) -> str:
        return draw_key(self._random)

    def _record(self, operation: Operation) -> Operation:
        """Store an operation whose key may be sent again."""
        self._keyed.append(operation)
        return operation

    def _salaries(self, at_ns: int) -> list[Operation]:
        """Draw a batch of salaries, atomic or not. In one of four batches, one salary exceeds the balance."""
        # In a run that is too small for an employer, another person pays.
        account = self._random.choice(self._employers or [self._generator.payment(at_ns).account or 0])
        operation = Operation("drive", at_ns, Kind.BATCH, Intent.PLAIN, self._generator.owner_of(account), self._slot())
        targets = [self._generator.payment(at_ns).target for _ in range(self._random.randint(*BATCH_SIZE))]
        items = [(target, decimal(self._random.randint(5_000, 90_000))) for target in targets if target is not None]
        operation.account, operation.key, operation.atomic = account, self._key(), self._random.randrange(2) == 0
        if self._random.randrange(4) == 0:
            operation.intent = Intent.OVERDRAFT
            place = self._random.randrange(len(items))
            items[place] = (items[place][0], decimal(self._random.randint(80_000_000, 99_000_000)))
        operation.items = tuple(items)
        return [self._record(operation)]

    def _slot(self) -> int:
        return self._random.randrange(1_000)

    def _withdrawal(self, at_ns: int) -> list[Operation]:
        payment = self._generator.payment(at_ns)
        operation = replace(payment, kind=Kind.WITHDRAW, target=None)
        if self._random.randrange(6) == 0:
            operation.intent, operation.amount = Intent.OVERDRAFT, decimal(self._random.randint(3_000_000, 9_000_000))
        return [self._record(operation)]

    def _hold(self, payment: Operation, life_ms: int) -> Operation:
        return self._record(replace(payment, kind=Kind.AUTHORIZE, life_ms=life_ms))

    def _end(self, hold: Operation, kind: Kind, *, amount: str | None = None, later_ns: int | None = None) -> Operation:
        """Return a capture or release of a hold, by the owner of the target account."""
        assert hold.target is not None
        at_ns = hold.at_ns + (self._delay_ns() if later_ns is None else later_ns)
        person = self._generator.owner_of(hold.target)
        operation = Operation("drive", at_ns, kind, Intent.PLAIN, person, self._slot(), key=self._key(), amount=amount)
        operation.about = hold
        return self._record(operation)

    def _part_of(self, amount: str | None, percent: int) -> str:
        assert amount is not None
        minor = int(amount.replace(".", ""))
        return decimal(max(1, minor * percent // 100))

    def _purchase(self, at_ns: int) -> list[Operation]:
        """Draw a purchase: a hold that is captured in whole or in part, released, left to expire, or ended twice."""
        payment = self._generator.payment(at_ns)
        assert payment.amount is not None
        if self._random.randrange(8) == 0:
            payment.intent, payment.amount = Intent.OVERDRAFT, decimal(self._random.randint(3_000_000, 9_000_000))
        hold = self._hold(payment, LONG_MS)
        match self._random.randrange(8):
            case 0 | 1:
                return [hold, self._end(hold, Kind.CAPTURE)]
            case 2 | 3:
                return [hold, self._end(hold, Kind.CAPTURE, amount=self._part_of(hold.amount, 60))]
            case 4:
                return [hold, self._end(hold, Kind.RELEASE)]
            case 5:
                hold.life_ms = SHORT_MS
                # The capture is most likely after the expiry, in which case the bank must refuse it.
                return [hold, self._end(hold, Kind.CAPTURE, later_ns=3 * SHORT_MS * 1_000_000)]
            case 6:
                later_ns = self._delay_ns()
                both = [self._end(hold, kind, later_ns=later_ns) for kind in (Kind.CAPTURE, Kind.RELEASE)]
                return [hold, *both]
            case _:
                too_much = self._end(hold, Kind.CAPTURE, amount=self._part_of(hold.amount, 150))
                too_much.intent = Intent.EXCEEDS
                right = self._end(hold, Kind.CAPTURE, later_ns=too_much.at_ns - hold.at_ns + self._delay_ns())
                return [hold, too_much, right]

    def _spend_held_money(self, at_ns: int) -> list[Operation]:
        """Draw a hold of most of the money on a new account, a payment above the rest, and one after the release."""
        payment = self._generator.payment(at_ns)
        opening = self._generator.opening(at_ns, payment.person, self._key())
        money = self._by_staff(Kind.DEPOSIT, at_ns + self._delay_ns(), opening.account)
        money.key, money.amount, money.after = self._key(), decimal(10_000 + self._random.randrange(100)), opening
        spent = replace(payment, account=opening.account, amount=decimal(5_000 + self._random.randrange(1_000)))
        hold = replace(spent, kind=Kind.AUTHORIZE, life_ms=LONG_MS, amount=decimal(8_000), key=self._key(), after=money)
        hold.at_ns = money.at_ns + self._delay_ns()
        spent.at_ns, spent.after = hold.at_ns + self._delay_ns(), hold
        release = self._end(hold, Kind.RELEASE, later_ns=spent.at_ns - hold.at_ns + self._delay_ns())
        release.after = spent
        second_payment = replace(spent, at_ns=release.at_ns + self._delay_ns(), key=self._key(), after=release)
        return [opening, money, self._record(hold), self._record(spent), release, second_payment]

    def _household_purchase(self, at_ns: int) -> list[Operation]:
        """Draw a hold inside a household, which has no fee, so the sum of the household's accounts does not change."""
        hold = self._hold(self._generator.inside_household(at_ns), LONG_MS)
        amount = None if self._random.randrange(2) else self._part_of(hold.amount, 30)
        capture = self._end(hold, Kind.CAPTURE, amount=amount)
        if self._random.randrange(2):
            return [hold, capture]
        return [hold, capture, self._reversal(capture, None, capture.person)]

    def _reversal(self, about: Operation, amount: str | None, person: int, intent: Intent = Intent.PLAIN) -> Operation:
        at_ns = about.at_ns + self._delay_ns()
        operation = Operation(
            "drive", at_ns, Kind.REVERSE, intent, person, self._slot(), key=self._key(), amount=amount
        )
        operation.about = about
        return self._record(operation)

    def _refund(self, at_ns: int) -> list[Operation]:
        """Draw reversals of a payment: in whole, in part, more than its amount, or too much in two or three parts."""
        payment = self._record(self._generator.payment(at_ns))
        assert payment.target is not None
        owner = self._generator.owner_of(payment.target)
        who = owner if self._random.randrange(3) else self._teller
        match self._random.randrange(5):
            case 0:
                return [payment, self._reversal(payment, None, who)]
            case 1:
                return [payment, self._reversal(payment, self._part_of(payment.amount, 25), who)]
            case 2:
                too_much = self._part_of(payment.amount, 150)
                return [payment, self._reversal(payment, too_much, who, Intent.EXCEEDS)]
            case 3:
                parts = [self._reversal(payment, self._part_of(payment.amount, 60), by) for by in (owner, self._teller)]
                parts[1].at_ns, parts[1].after = parts[0].at_ns + self._delay_ns(), parts[0]
                return [payment, *parts]
            case _:
                part = self._reversal(payment, self._part_of(payment.amount, 40), who)
                return [payment, part, *(self._reversal(payment, None, by) for by in (owner, self._teller))]

    def _by_staff(self, kind: Kind, at_ns: int, account: int | None) -> Operation:
        return Operation("drive", at_ns, kind, Intent.PLAIN, self._teller, self._slot(), account=account)

    def _freeze(self, at_ns: int) -> list[Operation]:
        """Draw a freeze of an account, a payment from it by its owner, and the end of the freeze."""
        payment = self._generator.payment(at_ns)
        frozen = self._by_staff(Kind.FREEZE, at_ns, payment.account)
        payment.at_ns, payment.after = at_ns + self._delay_ns(), frozen
        thawed = self._by_staff(Kind.UNFREEZE, payment.at_ns + self._delay_ns(), payment.account)
        thawed.after = payment
        return [frozen, self._record(payment), thawed]

    def _limit(self, at_ns: int) -> list[Operation]:
        """Draw a limit of an account, payments of its owner above and below it, and the end of the limit."""
        more = self._generator.payment(at_ns)
        limit = self._by_staff(Kind.LIMIT, at_ns, more.account)
        limit.amount = self._part_of(more.amount, 50)
        more.at_ns, more.after = at_ns + self._delay_ns(), limit
        less = replace(more, at_ns=more.at_ns + self._delay_ns(), key=self._key(), kind=Kind.AUTHORIZE, life_ms=LONG_MS)
        less.amount, less.after = self._part_of(more.amount, 20), more
        many = [less]
        for _ in range(PAYMENTS_ABOVE_LIMIT):
            # All payments wait for the same operation, because a chain of waits would take long.
            many.append(replace(more, at_ns=less.at_ns + self._delay_ns(), key=self._key(), after=less))
            many[-1].amount = self._part_of(more.amount, 49)
        lifted = self._by_staff(Kind.LIMIT, many[-1].at_ns + 2 * DELAY_NS[1], more.account)
        lifted.after = many[-1]
        return [limit, self._record(more), *many, lifted]

    def _close(self, at_ns: int) -> list[Operation]:
        """Draw an account that is closed before a deposit, or after it, in which case it cannot be closed."""
        payment = self._generator.payment(at_ns)
        opening = self._generator.opening(at_ns, payment.person, self._key())
        money = self._by_staff(Kind.DEPOSIT, at_ns + self._delay_ns(), opening.account)
        money.key, money.amount = self._key(), decimal(self._random.randint(100, 10_000))
        closing = Operation(
            "drive", at_ns, Kind.CLOSE, Intent.PLAIN, payment.person, self._slot(), account=opening.account
        )
        first, second = (money, closing) if self._random.randrange(2) else (closing, money)
        first.at_ns, first.after = at_ns + self._delay_ns(), opening
        second.at_ns, second.after = first.at_ns + self._delay_ns(), first
        return [opening, first, second]

    def _statement(self, at_ns: int) -> list[Operation]:
        """Draw a statement that ends now or up to some seconds ago."""
        payment = self._generator.payment(at_ns)
        operation = Operation("drive", at_ns, Kind.STATEMENT, Intent.PLAIN, payment.person, self._slot())
        operation.account, operation.age_ms = payment.account, self._random.choice((0, 0, 20, 500, 3_000))
        return [operation]

    def _holds(self, at_ns: int) -> list[Operation]:
        payment = self._generator.payment(at_ns)
        operation = Operation("drive", at_ns, Kind.HOLDS, Intent.PLAIN, payment.person, self._slot())
        operation.account = payment.account
        return [operation]

    def _replay(self, at_ns: int) -> list[Operation]:
        """Draw a repetition of a request of the last seconds with the same key."""
        recent = sorted(self._keyed[-50:], key=lambda operation: operation.at_ns)
        newest, oldest = (
            bisect_left(recent, at_ns - ago, key=lambda operation: operation.at_ns) for ago in REPLAY_AGE_NS
        )
        if oldest >= newest:
            return self._holds(at_ns)
        before = self._random.choice(recent[oldest:newest])
        return [replace(before, at_ns=at_ns, intent=Intent.REPLAY, slot=before.slot + 1, follows=before, waits=True)]
