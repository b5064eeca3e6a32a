"""The generator of the warm-up before the drive: rare requests, races, and other situations that need a fixed sequence.

It is the same in every run except for amounts and keys, and takes some seconds. All checks examine it, but its times
are not measured. A trader and another person execute it with separate accounts.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Protocol

from simulation.model.operations import MONEY_KINDS, Intent, Kind, Operation
from simulation.model.people import Person, Role
from simulation.plan.values import decimal, draw_key

TELLER = 0
MS = 1_000_000

LONG_MS = 600_000
"""The life of a hold that is captured or released before its expiry."""

ENDING_MS = 700
"""The life of a hold whose capture or release is close to its expiry."""

AROUND_END_MS = (-250, 20, 60, 120, 260, 450)
"""The times of captures and releases relative to the expiry of the hold. The bank processes expiries once a second."""

ROUNDS = 12
"""Number of rounds in which money moves and is read within some milliseconds: enough for each order of the two."""

RACES_MS = (0, 2, 4, 6, 9, 12)
"""The times of the reads in a round, over about the duration of a batch."""

CROSSINGS = 4
QUIET_MS = 350
"""The time between two pairs of payments on the same accounts, in which the cached values of a pair do not change."""


class Bankers(Protocol):
    """The generator of the other operations and accounts, which the warm-up uses."""

    def opening(self, at_ns: int, person: int, with_key: str, intent: Intent = Intent.PLAIN) -> Operation:
        """Draw the opening of one more account."""


def draw_warmup(random: Random, bankers: Bankers, people: Sequence[Person]) -> list[Operation]:
    """Draw the operations of the warm-up."""
    ana = next(person.index for person in people if person.role is Role.TRADER)
    bia = next(p.index for p in people if p.index not in {TELLER, ana} and p.role is not Role.HOUSEHOLD)
    return _Warmup(random, bankers, ana, bia).draw()


class _Warmup:
    """A generator of the parts of the warm-up, in which each operation waits for those that it needs."""

    def __init__(self, random: Random, bankers: Bankers, ana: int, bia: int) -> None:
        self._random = random
        self._bankers = bankers
        self._ana = ana
        self._bia = bia
        self._operations: list[Operation] = []
        self._funded: Operation | None = None

    def draw(self) -> list[Operation]:
        a, b = self._account(self._ana, "900.00"), self._account(self._ana, "90.00")
        c = self._account(self._bia, "200.00")
        self._keys(200, a, b, c)
        self._forbidden(900, a, c)
        self._bounds(1_000)
        self._states(1_100)
        self._ends(1_200, a, c)
        self._races(1_500, a, b)
        self._crossings(1_500)
        self._after_writing(2_900, a, c)
        self._pages(3_300, a)
        self._looks(3_500, a, b)
        self._left(3_700, a, c)
        return self._operations

    def _do(self, at_ms: int, kind: Kind, person: int, **more: object) -> Operation:
        """Draw one request, which is sent after the answers that it needs."""
        fields: dict[str, object] = {"after": self._funded, "slot": self._random.randrange(1_000), **more}
        operation = Operation("warmup", at_ms * MS, kind, Intent.PLAIN, person, 0)
        if kind in MONEY_KINDS:
            operation.key = draw_key(self._random)
        operation = replace(operation, **fields)  # type: ignore[arg-type]  # fields of Operation
        self._operations.append(operation)
        return operation

    def _once_more(self, first: Operation, at_ms: int, intent: Intent, **changes: object) -> Operation:
        operation = replace(first, at_ns=at_ms * MS, intent=intent, follows=first, waits=True, slot=first.slot + 1)
        operation = replace(operation, **changes)  # type: ignore[arg-type]  # fields of Operation
        self._operations.append(operation)
        return operation

    def _account(self, person: int, amount: str, at_ms: int = 0) -> int:
        opening = self._bankers.opening(at_ms * MS, person, draw_key(self._random))
        opening.phase = "warmup"
        self._operations.append(opening)
        assert opening.account is not None
        self._funded = None
        self._funded = self._do(at_ms, Kind.DEPOSIT, TELLER, account=opening.account, amount=amount, after=opening)
        return opening.account

    def _pay(self, at_ms: int, source: int, target: int, amount: str = "1.00", **more: object) -> Operation:
        return self._do(at_ms, Kind.TRANSFER, self._ana, account=source, target=target, amount=amount, **more)

    def _hold(self, at_ms: int, source: int, target: int, **more: object) -> Operation:
        fields: dict[str, object] = {"amount": "3.00", "life_ms": LONG_MS, **more}
        return self._do(at_ms, Kind.AUTHORIZE, self._ana, account=source, target=target, **fields)

    def _keys(self, at_ms: int, a: int, b: int, c: int) -> None:
        """Draw each kind of request, and repetitions with the same key, of which each has another field changed."""
        paid = self._pay(at_ms, a, c, "10.00")
        text = {"text": "not what was said before"}
        self._changed(paid, {"account": b}, {"target": b}, {"amount": "10.01"}, text)
        paid_in = self._do(at_ms, Kind.DEPOSIT, TELLER, account=a, amount="20.00")
        self._changed(paid_in, {"account": b}, {"amount": "20.01"}, text)
        drawn = self._do(at_ms, Kind.WITHDRAW, self._ana, account=a, amount="5.00")
        self._changed(drawn, {"account": b}, {"amount": "5.01"}, text)
        items = ((c, "1.00"), (b, "2.00"))
        listed = self._do(at_ms, Kind.BATCH, self._ana, account=a, items=items)
        other = ((c, "1.01"), (b, "2.00")), ((b, "2.00"), (c, "1.00")), ((c, "1.00"), (c, "2.00")), items[:1]
        self._changed(listed, {"account": b}, {"atomic": False}, *({"items": one} for one in other), text)
        held, another = self._hold(at_ms, a, c), self._hold(at_ms, a, c)
        self._changed(held, {"account": b}, {"target": b}, {"amount": "3.01"}, {"life_ms": LONG_MS + 60_000}, text)
        taken = self._do(at_ms + 150, Kind.CAPTURE, self._bia, amount="2.00", about=held)
        self._changed(taken, {"amount": "2.01"}, {"amount": None}, {"about": another})
        freed = self._do(at_ms + 300, Kind.RELEASE, self._bia, about=another, after=taken)
        self._changed(freed, {"about": held})
        back = self._do(at_ms + 150, Kind.REVERSE, self._bia, amount="4.00", about=paid)
        self._changed(back, {"amount": "4.01"}, {"amount": None}, {"about": self._pay(at_ms, a, c, "6.00")}, text)

    def _changed(self, first: Operation, *changes: Mapping[str, object]) -> None:
        at_ms = first.at_ns // MS + 20
        for change in changes:
            self._once_more(first, at_ms, Intent.CONFLICT, **change)
        self._once_more(first, at_ms + 40, Intent.REPLAY)

    def _forbidden(self, at_ms: int, a: int, c: int) -> None:
        """Draw requests that only staff may send, that only owners may send, and that not even staff may send."""
        mine = {"intent": Intent.NOT_MINE}
        for kind in (Kind.TRANSFER, Kind.AUTHORIZE):
            self._do(at_ms, kind, TELLER, account=a, target=c, amount="1.00", **mine)
        self._do(at_ms, Kind.BATCH, TELLER, account=a, items=((c, "1.00"),), **mine)
        self._do(at_ms, Kind.WITHDRAW, self._ana, account=c, amount="1.00", **mine)
        for kind in (Kind.CLOSE, Kind.BALANCE, Kind.HISTORY):
            self._do(at_ms, kind, self._ana, account=c, page_size=5 if kind is Kind.HISTORY else None, **mine)
        held, paid = self._hold(at_ms, a, c), self._pay(at_ms, a, c)
        for kind in (Kind.CAPTURE, Kind.RELEASE):
            # The owner of the debited account may neither capture nor release the hold.
            self._do(at_ms + 100, kind, self._ana, about=held, **mine)
        self._do(at_ms + 100, Kind.REVERSE, self._ana, about=paid, **mine)
        denied = {"intent": Intent.FORBIDDEN}
        for kind in (Kind.FREEZE, Kind.UNFREEZE, Kind.LIMIT, Kind.DEPOSIT):
            self._do(at_ms, kind, self._ana, account=a, amount="1.00", **denied)
        self._do(at_ms, Kind.AUDIT, self._ana, page_size=5, **denied)
        # Staff may withdraw, release holds, reverse transactions, and read.
        self._do(at_ms + 150, Kind.WITHDRAW, TELLER, account=a, amount="1.00")
        self._do(at_ms + 150, Kind.REVERSE, TELLER, about=paid)
        self._do(at_ms + 150, Kind.RELEASE, TELLER, about=held)
        for kind in (Kind.BALANCE, Kind.HISTORY, Kind.HOLDS):
            self._do(at_ms + 150, kind, TELLER, account=a, page_size=5 if kind is Kind.HISTORY else None)

    def _bounds(self, at_ms: int) -> None:
        """Draw payments at and one cent above the balance, the available balance, and the limits."""
        source, target = self._account(self._ana, "40.00", at_ms), self._account(self._ana, "1.00", at_ms)
        steps = [
            self._pay(at_ms, source, target, "40.01"),
            self._hold(at_ms, source, target, amount="10.00"),
            self._pay(at_ms, source, target, "30.01"),
            self._hold(at_ms, source, target, amount="30.01"),
            self._do(at_ms, Kind.LIMIT, TELLER, account=source, amount="2.00"),
            self._pay(at_ms, source, target, "2.01"),
            self._hold(at_ms, source, target, amount="2.01"),
            *(self._pay(at_ms, source, target, "2.00") for _ in range(3)),
            # The hold counts too: after 10.00 and 6.00, the limit per day permits another 4.00, and not one cent more.
            *(self._hold(at_ms, source, target, amount="2.00") for _ in range(2)),
            self._pay(at_ms, source, target, "0.01"),
            self._do(at_ms, Kind.LIMITS, self._ana, account=source),
            self._do(at_ms, Kind.LIMIT, TELLER, account=source),
            self._do(at_ms, Kind.LIMITS, self._ana, account=source),
            self._hold(at_ms, source, target, amount="20.00"),
            self._do(at_ms, Kind.HOLDS, self._ana, account=source),
        ]
        self._in_turn(steps)

    def _in_turn(self, steps: Sequence[Operation]) -> None:
        for earlier, later in pairwise(steps):
            later.after = earlier

    def _states(self, at_ms: int) -> None:
        """Draw postings and reads on frozen and closed accounts, and closings with money and without."""
        one, two = self._account(self._ana, "10.00", at_ms), self._account(self._ana, "10.00", at_ms)
        look = {"page_size": None}
        steps = [
            self._hold(at_ms, two, one, amount="1.00"),
            self._do(at_ms, Kind.FREEZE, TELLER, account=one),
            self._do(at_ms, Kind.BALANCE, self._ana, account=one, **look),
            self._do(at_ms, Kind.ME, self._ana),
            self._pay(at_ms, one, two),
            self._pay(at_ms, two, one),
            self._do(at_ms, Kind.WITHDRAW, self._ana, account=one, amount="1.00"),
            self._do(at_ms, Kind.DEPOSIT, TELLER, account=one, amount="1.00"),
            self._hold(at_ms, one, two, amount="1.00"),
            self._hold(at_ms, two, one, amount="1.00"),
            self._do(at_ms, Kind.CLOSE, self._ana, account=one),
            self._do(at_ms, Kind.UNFREEZE, TELLER, account=one),
            self._do(at_ms, Kind.BALANCE, self._ana, account=one, **look),
            self._do(at_ms, Kind.CLOSE, self._ana, account=one),
            self._do(at_ms, Kind.WITHDRAW, self._ana, account=one, amount="9.00"),
            self._do(at_ms, Kind.ME, self._ana),
        ]
        self._in_turn(steps)
        opening = self._bankers.opening(at_ms * MS, self._ana, draw_key(self._random))
        opening.phase = "warmup"
        self._operations.append(opening)
        closing = [
            opening,
            self._do(at_ms, Kind.CLOSE, self._ana, account=opening.account),
            self._do(at_ms, Kind.BALANCE, self._ana, account=opening.account),
            self._do(at_ms, Kind.DEPOSIT, TELLER, account=opening.account, amount="1.00"),
            self._pay(at_ms, two, opening.account or 0),
            self._do(at_ms, Kind.FREEZE, TELLER, account=opening.account),
            self._do(at_ms, Kind.ME, self._ana),
        ]
        self._in_turn(closing)

    def _ends(self, at_ms: int, a: int, c: int) -> None:
        """Draw captures and releases of holds shortly before and shortly after their expiry."""
        for around in AROUND_END_MS:
            for kind in (Kind.CAPTURE, Kind.RELEASE):
                hold = self._hold(at_ms, a, c, life_ms=ENDING_MS, amount="1.00")
                self._do(at_ms, kind, self._bia, about=hold, life_ms=around)

    def _races(self, at_ms: int, a: int, b: int) -> None:
        """Draw all kinds of reads of accounts while money moves on them, and after each movement."""
        for number in range(ROUNDS):
            start_ms = at_ms + number * 110
            moves = [self._pay(start_ms + ms, a, b, decimal(100 + number), slot=ms) for ms in (0, 3, 7)]
            for ms in RACES_MS:
                kind = (Kind.ME, Kind.BALANCE, Kind.HISTORY, Kind.HOLDS)[(number + ms) % 4]
                self._see(kind, start_ms + ms, (a, b)[ms % 2], slot=number + ms)
            for after in moves:
                for slot, (kind, account) in enumerate(((Kind.BALANCE, a), (Kind.BALANCE, b), (Kind.ME, a))):
                    self._see(kind, start_ms, account, slot=slot + number, after=after)
            for ms in (60, 90):
                for slot, (kind, account) in enumerate(((Kind.BALANCE, a), (Kind.HISTORY, b), (Kind.ME, a))):
                    self._see(kind, start_ms + ms, account, slot=slot + ms // 30, after=moves[-1])

    def _see(self, kind: Kind, at_ms: int, account: int, **more: object) -> None:
        is_one = kind is not Kind.ME
        size = 5 if kind is Kind.HISTORY else None
        self._do(at_ms, kind, self._ana, account=account if is_one else None, page_size=size, **more)

    def _crossings(self, at_ms: int) -> None:
        """Draw pairs of concurrent payments through two workers, with reads after each answer and after a pause."""
        one, two = self._account(self._ana, "60.00"), self._account(self._ana, "60.00")
        for number in range(CROSSINGS):
            start_ms = at_ms + number * QUIET_MS
            self._looked_at(start_ms, one, two)
            paid = [self._pay(start_ms + ms, one, two, decimal(100 + number), slot=ms) for ms in (5, 14)]
            for after in paid:
                self._looked_at(start_ms, one, two, after=after)
            self._looked_at(start_ms + QUIET_MS - 100, one, two, after=paid[1])

    def _looked_at(self, at_ms: int, *accounts: int, **more: object) -> None:
        for slot in (0, 1):
            self._see(Kind.ME, at_ms, accounts[0], slot=slot, **more)
            for account in accounts:
                self._see(Kind.BALANCE, at_ms, account, slot=slot, **more)

    def _after_writing(self, at_ms: int, a: int, c: int) -> None:
        """Draw reads of both accounts, through each worker in turn, immediately after a payment."""
        for number in range(5):
            paid = self._pay(at_ms + 60 * number, a, c, slot=number)
            for slot in (number, number + 1):
                self._see(Kind.HISTORY, at_ms, a, after=paid, slot=slot)
                self._do(at_ms, Kind.HISTORY, self._bia, account=c, page_size=5, after=paid, slot=slot)
                self._do(at_ms, Kind.BALANCE, self._bia, account=c, after=paid, slot=slot)

    def _pages(self, at_ms: int, a: int) -> None:
        """Draw reads of small pages: a history and a statement to their ends, and the start of the audit trail."""
        page = self._do(at_ms, Kind.HISTORY, self._ana, account=a, page_size=7)
        for _ in range(14):
            page = self._once_more(page, at_ms, Intent.NEXT_PAGE)
        page = self._do(at_ms, Kind.STATEMENT, self._ana, account=a, page_size=6)
        for _ in range(14):
            page = self._once_more(page, at_ms, Intent.NEXT_PAGE)
        for account in (None, a):
            page = self._do(at_ms, Kind.AUDIT, TELLER, account=account, page_size=9)
            for _ in range(4):
                page = self._once_more(page, at_ms, Intent.NEXT_PAGE)

    def _looks(self, at_ms: int, a: int, b: int) -> None:
        for account in (a, b):
            for kind in (Kind.DAYS, Kind.LIMITS, Kind.HOLDS):
                self._do(at_ms, kind, self._ana, account=account)

    def _left(self, at_ms: int, a: int, c: int) -> None:
        """Draw a logout after every worker has cached the session, and requests with its token through each worker."""
        seen: Operation | None = None
        for slot in range(4):
            seen = self._do(at_ms, Kind.ME, self._bia, slot=slot, after=seen or self._funded)
        left = self._do(at_ms, Kind.LOGOUT, self._bia, slot=0, after=seen)
        closed = {"intent": Intent.CLOSED_TOKEN, "after": left}
        for slot in range(1, 4):
            self._do(at_ms, Kind.ME, self._bia, slot=slot, **closed)
            self._do(at_ms, Kind.BALANCE, self._bia, slot=slot, account=c, **closed)
            self._do(at_ms, Kind.TRANSFER, self._bia, slot=slot, account=c, target=a, amount="1.00", **closed)
        self._do(at_ms + 100, Kind.LOGIN, self._bia, after=left)
