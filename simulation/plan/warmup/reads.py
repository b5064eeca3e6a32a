"""Reads while money moves and immediately after it, reads of pages, and requests after a logout."""

from simulation.model.operations import Intent, Kind, Operation
from simulation.plan.values import decimal
from simulation.plan.warmup.steps import TELLER, WarmupSteps

ROUNDS = 12
"""Number of rounds in which money moves and is read within some milliseconds: enough for each order of the two."""

RACES_MS = (0, 2, 4, 6, 9, 12)
"""The times of the reads in a round, over about the duration of a batch."""

CROSSINGS = 4
QUIET_MS = 350
"""The time between two pairs of payments on the same accounts, in which the cached values of a pair do not change."""


def add_racing_reads(steps: WarmupSteps, at_ms: int, a: int, b: int) -> None:
    """Draw all kinds of reads of accounts while money moves on them, and after each movement."""
    for number in range(ROUNDS):
        start_ms = at_ms + number * 110
        moves = [steps.pay(start_ms + ms, a, b, decimal(100 + number), slot=ms) for ms in (0, 3, 7)]
        for ms in RACES_MS:
            kind = (Kind.ME, Kind.BALANCE, Kind.HISTORY, Kind.HOLDS)[(number + ms) % 4]
            steps.read(kind, start_ms + ms, (a, b)[ms % 2], slot=number + ms)
        for after in moves:
            for slot, (kind, account) in enumerate(((Kind.BALANCE, a), (Kind.BALANCE, b), (Kind.ME, a))):
                steps.read(kind, start_ms, account, slot=slot + number, after=after)
        for ms in (60, 90):
            for slot, (kind, account) in enumerate(((Kind.BALANCE, a), (Kind.HISTORY, b), (Kind.ME, a))):
                steps.read(kind, start_ms + ms, account, slot=slot + ms // 30, after=moves[-1])


def add_crossing_payments(steps: WarmupSteps, at_ms: int) -> None:
    """Draw pairs of concurrent payments through two workers, with reads after each answer and after a pause."""
    one, two = steps.open_account(steps.ana, "60.00"), steps.open_account(steps.ana, "60.00")
    for number in range(CROSSINGS):
        start_ms = at_ms + number * QUIET_MS
        steps.read_through_two_workers(start_ms, one, two)
        paid = [steps.pay(start_ms + ms, one, two, decimal(100 + number), slot=ms) for ms in (5, 14)]
        for after in paid:
            steps.read_through_two_workers(start_ms, one, two, after=after)
        steps.read_through_two_workers(start_ms + QUIET_MS - 100, one, two, after=paid[1])


def add_reads_after_writes(steps: WarmupSteps, at_ms: int, a: int, c: int) -> None:
    """Draw reads of both accounts, through each worker in turn, immediately after a payment."""
    for number in range(5):
        paid = steps.pay(at_ms + 60 * number, a, c, slot=number)
        for slot in (number, number + 1):
            steps.read(Kind.HISTORY, at_ms, a, after=paid, slot=slot)
            steps.add(at_ms, Kind.HISTORY, steps.bia, account=c, page_size=5, after=paid, slot=slot)
            steps.add(at_ms, Kind.BALANCE, steps.bia, account=c, after=paid, slot=slot)


def add_page_reads(steps: WarmupSteps, at_ms: int, a: int) -> None:
    """Draw reads of small pages: a history and a statement to their ends, and the start of the audit trail."""
    page = steps.add(at_ms, Kind.HISTORY, steps.ana, account=a, page_size=7)
    for _ in range(14):
        page = steps.repeat(page, at_ms, Intent.NEXT_PAGE)
    page = steps.add(at_ms, Kind.STATEMENT, steps.ana, account=a, page_size=6)
    for _ in range(14):
        page = steps.repeat(page, at_ms, Intent.NEXT_PAGE)
    for account in (None, a):
        page = steps.add(at_ms, Kind.AUDIT, TELLER, account=account, page_size=9)
        for _ in range(4):
            page = steps.repeat(page, at_ms, Intent.NEXT_PAGE)


def add_account_reads(steps: WarmupSteps, at_ms: int, a: int, b: int) -> None:
    """Draw reads of the days, limits and holds of two accounts."""
    for account in (a, b):
        for kind in (Kind.DAYS, Kind.LIMITS, Kind.HOLDS):
            steps.add(at_ms, kind, steps.ana, account=account)


def add_logout(steps: WarmupSteps, at_ms: int, a: int, c: int) -> None:
    """Draw a logout after every worker has cached the session, and requests with its token through each worker."""
    seen: Operation | None = None
    for slot in range(4):
        seen = steps.add(at_ms, Kind.ME, steps.bia, slot=slot, after=seen or steps.funded)
    left = steps.add(at_ms, Kind.LOGOUT, steps.bia, slot=0, after=seen)
    closed = {"intent": Intent.CLOSED_TOKEN, "after": left}
    for slot in range(1, 4):
        steps.add(at_ms, Kind.ME, steps.bia, slot=slot, **closed)
        steps.add(at_ms, Kind.BALANCE, steps.bia, slot=slot, account=c, **closed)
        steps.add(at_ms, Kind.TRANSFER, steps.bia, slot=slot, account=c, target=a, amount="1.00", **closed)
    steps.add(at_ms + 100, Kind.LOGIN, steps.bia, after=left)
