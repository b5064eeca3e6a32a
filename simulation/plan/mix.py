"""The operations of people during the drive, drawn from the weights of the scenario's mix."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate
from random import Random

from simulation.model.operations import Arm, Intent, Kind, Operation
from simulation.model.people import Person, Role
from simulation.model.plan import PlannedAccount
from simulation.model.scenario import Scenario
from simulation.plan.clicks import clicked
from simulation.plan.payday import Payday
from simulation.plan.retries import Retries
from simulation.plan.values import decimal, draw_key

TELLER = 0
"""The number of the staff member who makes deposits."""

PAGE_SIZE = 20
"""The number of lines on a page of history, the same for all people, because all use the same app."""

UNCACHED_EVERY = 4
"""One read in this many bypasses the cache: enough for a comparison, and few enough for a realistic load."""

RECENT_NS = (200_000_000, 3_000_000_000)
"""The least and the greatest age of the operation to which a retry, a conflict or a next page refers, counted from its
intended start."""


class _Zipf:
    """A generator with a Zipf distribution: the first of the shuffled things is drawn n times as often as the n-th."""

    def __init__(self, random: Random, things: Sequence[int]) -> None:
        self._random = random
        self._things = list(things)
        random.shuffle(self._things)
        self._cumulative = list(accumulate(1 / rank for rank in range(1, len(self._things) + 1)))

    def draw(self) -> int:
        point = self._random.random() * self._cumulative[-1]
        return self._things[min(bisect_left(self._cumulative, point), len(self._things) - 1)]


class Drawer:
    """A generator of the operations of the drive, with one method for each entry of the scenario's mix."""

    def __init__(
        self, random: Random, scenario: Scenario, people: Sequence[Person], accounts: Sequence[PlannedAccount]
    ) -> None:
        self._random = random
        self._scenario = scenario
        self.accounts = list(accounts)
        self._accounts_of = {p.index: [a.index for a in accounts if a.person == p.index] for p in people}
        of_role = {role: [p.index for p in people if p.role is role] for role in Role}
        payees = of_role[Role.MERCHANT] or of_role[Role.TRADER]
        self._customers = _Zipf(random, [p.index for p in people[1:] if p.role is not Role.ATTACKER])
        self._households = _Zipf(random, of_role[Role.HOUSEHOLD])
        self._payers = _Zipf(random, of_role[Role.TRADER])
        self._payees = _Zipf(random, [account for p in payees for account in self._accounts_of[p]])
        self._traders = of_role[Role.TRADER]
        self._employers = [account for p in of_role[Role.EMPLOYER] for account in self._accounts_of[p]]
        self._transfers: list[Operation] = []
        self._pages: list[Operation] = []

    def draw(self, *, duration_ns: int, rate: float, from_ns: int = 0) -> list[Operation]:
        """Draw the operations with a Poisson process of starts, so the start of a request does not wait for answers.

        The first start is after `from_ns`, with which a second call continues where the first has ended.
        """
        entries: dict[str, Callable[[int], list[Operation]]] = {
            "me": self._me,
            "balance": self._balance,
            "history": self._history,
            "next_page": self._next_page,
            "transfer": self._transfer,
            "overdraft": self._overdraft,
            "wrong": self._wrong,
            "not_mine": self._not_mine,
            "retry": self._retry,
            "conflict": self._conflict,
            "deposit": self._deposit,
            "open_account": self._open_account,
            "refresh": self._refresh,
            "relogin": self._relogin,
            "payment": self._payment,
            **Retries(self._random, self, teller=TELLER).entries(),
            **Payday(self._random, self, teller=TELLER, employers=self._employers).entries(),
        }
        names, weights = list(self._scenario.mix), list(self._scenario.mix.values())
        operations: list[Operation] = []
        at_us = from_ns // 1_000
        while True:
            # Rounded to microseconds, because the last digit of a logarithm differs between C libraries.
            at_us += max(1, round(self._random.expovariate(rate) * 1e6))
            if at_us * 1_000 >= from_ns + duration_ns:
                return operations
            [name] = self._random.choices(names, weights)
            for operation in entries[name](at_us * 1_000):
                operations += self._clicks(operation)

    def _clicks(self, operation: Operation) -> list[Operation]:
        return [operation] if operation.follows is not None else clicked(self._random, self._scenario, operation)

    def _operation(self, at_ns: int, kind: Kind, person: int, intent: Intent = Intent.PLAIN) -> Operation:
        return Operation("drive", at_ns, kind, intent, person, self._random.randrange(1_000))

    def _arm(self) -> Arm:
        return "uncached" if self._random.randrange(UNCACHED_EVERY) == 0 else "cached"

    def _reader(self) -> int:
        """Draw a person who reads; one in four is a household, whose sums are the best test of a consistent answer."""
        return self._households.draw() if self._random.randrange(4) == 0 else self._customers.draw()

    def _me(self, at_ns: int) -> list[Operation]:
        operation = self._operation(at_ns, Kind.ME, self._reader())
        operation.arm = self._arm()
        return [operation]

    def _balance(self, at_ns: int) -> list[Operation]:
        operation = self._operation(at_ns, Kind.BALANCE, self._reader())
        operation.account, operation.arm = self._account_to_read(operation.person), self._arm()
        return [operation]

    def _account_to_read(self, person: int) -> int:
        """Draw the account of a person for a read: mostly the first one, as if it received the wages."""
        accounts = self._accounts_of[person]
        return accounts[0] if self._random.randrange(3) else self._random.choice(accounts)

    def _history(self, at_ns: int) -> list[Operation]:
        operation = self._operation(at_ns, Kind.HISTORY, self._reader())
        operation.account, operation.arm = self._account_to_read(operation.person), self._arm()
        operation.page_size = PAGE_SIZE
        self._pages.append(operation)
        return [operation]

    def _recent(self, operations: Sequence[Operation], at_ns: int) -> Operation | None:
        newest, oldest = (
            bisect_left(operations, at_ns - ago, key=lambda operation: operation.at_ns) for ago in RECENT_NS
        )
        return self._random.choice(operations[oldest:newest]) if oldest < newest else None

    def recent_transfer(self, at_ns: int) -> Operation | None:
        """Draw one of the transfers of the last seconds, if there are any."""
        return self._recent(self._transfers, at_ns)

    def _next_page(self, at_ns: int) -> list[Operation]:
        before = self._recent(self._pages, at_ns)
        if before is None:
            return self._history(at_ns)
        page = replace(before, at_ns=at_ns, intent=Intent.NEXT_PAGE, arm=self._arm(), follows=before, waits=True)
        return [page]

    def _transfer(self, at_ns: int) -> list[Operation]:
        # With a fee, households do not transfer, because the sum of their accounts must stay the sum of their deposits.
        household = self._random.randrange(3) == 0 and not self._scenario.terms.transfer_fee_minor
        operation = self.inside_household(at_ns) if household else self.payment(at_ns)
        self._transfers.append(operation)
        return [operation]

    def _payment(self, at_ns: int) -> list[Operation]:
        """Draw a payment, and no transfer inside a household, whose sum a fee would change."""
        self._transfers.append(self.payment(at_ns))
        return [self._transfers[-1]]

    def owner_of(self, account: int) -> int:
        """Return the person who owns the account."""
        return self.accounts[account].person

    def inside_household(self, at_ns: int) -> Operation:
        """Draw a large transfer between accounts of one household, so a partly seen transfer is obvious in the sum."""
        operation = self._operation(at_ns, Kind.TRANSFER, self._households.draw())
        operation.account, operation.target = self._random.sample(self._accounts_of[operation.person], 2)
        operation.key, operation.amount = draw_key(self._random), decimal(self._random.randint(1, 60_000))
        return operation

    def payment(self, at_ns: int) -> Operation:
        """Draw a transfer from a trader to a payee."""
        operation = self._operation(at_ns, Kind.TRANSFER, self._payers.draw())
        operation.account, operation.target = self._source(operation.person), self._payees.draw()
        while operation.target == operation.account:
            operation.person = self._random.choice(self._traders)
            operation.account = self._source(operation.person)
        operation.key, operation.amount = (
            draw_key(self._random),
            decimal(self._random.choice((100, 1_000, 5_000)) + self._cents()),
        )
        return operation

    def _cents(self) -> int:
        return self._random.randrange(100)

    def _source(self, person: int) -> int:
        return self._random.choice(self._accounts_of[person])

    def _overdraft(self, at_ns: int) -> list[Operation]:
        operation = self.payment(at_ns)
        operation.intent, operation.amount = Intent.OVERDRAFT, decimal(self._random.randint(3_000_000, 9_000_000))
        self._transfers.append(operation)
        return [operation]

    def _wrong(self, at_ns: int) -> list[Operation]:
        operation = self.payment(at_ns)
        operation.intent = self._random.choice(
            (
                Intent.ZERO_AMOUNT,
                Intent.NEGATIVE_AMOUNT,
                Intent.TOO_PRECISE,
                Intent.SAME_ACCOUNT,
                Intent.UNKNOWN_ACCOUNT,
                Intent.MISTYPED_NUMBER,
                Intent.OTHER_CURRENCY,
            )
        )
        if operation.intent is Intent.SAME_ACCOUNT:
            operation.target = operation.account
        if operation.intent is Intent.OTHER_CURRENCY:
            operation.currency = "USD"
        wrong_amounts = {Intent.ZERO_AMOUNT: "0.00", Intent.NEGATIVE_AMOUNT: "-5.00", Intent.TOO_PRECISE: "10.005"}
        operation.amount = wrong_amounts.get(operation.intent, operation.amount)
        return [operation]

    def _not_mine(self, at_ns: int) -> list[Operation]:
        """Draw a read of another person's account, or a transfer out of it."""
        thief = self._payers.draw()
        others = [p for p in self._accounts_of if p != thief and self._accounts_of[p]]
        victim = self._source(self._random.choice(others))
        if self._random.randrange(2):
            operation = self._operation(at_ns, Kind.BALANCE, thief, Intent.NOT_MINE)
            operation.account = victim
            return [operation]
        operation = self._operation(at_ns, Kind.TRANSFER, thief, Intent.NOT_MINE)
        operation.account, operation.target = victim, self._source(thief)
        operation.key, operation.amount = draw_key(self._random), decimal(1_000 + self._cents())
        return [operation]

    def _retry(self, at_ns: int) -> list[Operation]:
        before = self.recent_transfer(at_ns)
        if before is None:
            return self._transfer(at_ns)
        slot = before.slot + 1
        return [replace(before, at_ns=at_ns, intent=Intent.REPLAY, slot=slot, follows=before, waits=True)]

    def _conflict(self, at_ns: int) -> list[Operation]:
        before = self.recent_transfer(at_ns)
        if before is None:
            return self._transfer(at_ns)
        slot = before.slot + 1
        changed = replace(before, at_ns=at_ns, intent=Intent.CONFLICT, slot=slot, follows=before, waits=True)
        match self._random.randrange(4):
            case 0 | 1:
                changed.amount = decimal(7_777_700 + self._cents())  # an amount that no other operation has
            case 2:
                changed.text = "something else"
            case _:
                other = self._payees.draw()
                # The payee of a transfer inside a household stays, because no money may leave a household.
                inside = before.target is not None and self.owner_of(before.target) == before.person
                if inside or other in {before.target, before.account}:
                    changed.text = "something else"
                else:
                    changed.target = other
        return [changed]

    def _deposit(self, at_ns: int) -> list[Operation]:
        operation = self._operation(at_ns, Kind.DEPOSIT, TELLER)
        operation.account = self._payees.draw() if self._random.randrange(2) else self._source(self._payers.draw())
        operation.key, operation.amount = draw_key(self._random), decimal(self._random.randint(1_000, 50_000))
        return [operation]

    def _open_account(self, at_ns: int) -> list[Operation]:
        return [self.opening(at_ns, self._random.choice(self._traders), draw_key(self._random))]

    def opening(self, at_ns: int, person: int, with_key: str, intent: Intent = Intent.PLAIN) -> Operation:
        """Draw the opening of one more account."""
        operation = self._operation(at_ns, Kind.OPEN_ACCOUNT, person, intent)
        account = PlannedAccount(len(self.accounts), person, with_key, in_setup=False)
        self.accounts.append(account)
        operation.account, operation.key = account.index, account.key
        return operation

    def _refresh(self, at_ns: int) -> list[Operation]:
        return [self._operation(at_ns, Kind.REFRESH, self._customers.draw())]

    def _relogin(self, at_ns: int) -> list[Operation]:
        """Draw a logout, a request with the token of the closed session, and a login."""
        logout = self._operation(at_ns, Kind.LOGOUT, self._customers.draw())
        steps = ((Kind.ME, Intent.CLOSED_TOKEN, 30_000_000), (Kind.LOGIN, Intent.PLAIN, 60_000_000))
        return [
            logout,
            *(
                Operation("drive", at_ns + ns, kind, intent, logout.person, logout.slot, follows=logout, waits=True)
                for kind, intent, ns in steps
            ),
        ]
