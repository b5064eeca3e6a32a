"""Requests that a rule of the bank refuses, or almost refuses: keys, rights, limits, account states, expired holds."""

from collections.abc import Mapping

from simulation.model.operations import Intent, Kind, Operation
from simulation.plan.values import draw_key
from simulation.plan.warmup.steps import LONG_MS, MS, TELLER, WarmupSteps

ENDING_MS = 700
"""The life of a hold whose capture or release is close to its expiry."""

AROUND_END_MS = (-250, 20, 60, 120, 260, 450)
"""The times of captures and releases relative to the expiry of the hold. The bank processes expiries once a second."""


def add_key_conflicts(steps: WarmupSteps, at_ms: int, a: int, b: int, c: int) -> None:
    """Draw each kind of request, and repetitions with the same key, of which each has another field changed."""
    paid = steps.pay(at_ms, a, c, "10.00")
    text = {"text": "not what was said before"}
    _repeat_with_changes(steps, paid, {"account": b}, {"target": b}, {"amount": "10.01"}, text)
    paid_in = steps.add(at_ms, Kind.DEPOSIT, TELLER, account=a, amount="20.00")
    _repeat_with_changes(steps, paid_in, {"account": b}, {"amount": "20.01"}, text)
    drawn = steps.add(at_ms, Kind.WITHDRAW, steps.ana, account=a, amount="5.00")
    _repeat_with_changes(steps, drawn, {"account": b}, {"amount": "5.01"}, text)
    items = ((c, "1.00"), (b, "2.00"))
    listed = steps.add(at_ms, Kind.BATCH, steps.ana, account=a, items=items)
    other = ((c, "1.01"), (b, "2.00")), ((b, "2.00"), (c, "1.00")), ((c, "1.00"), (c, "2.00")), items[:1]
    _repeat_with_changes(steps, listed, {"account": b}, {"atomic": False}, *({"items": one} for one in other), text)
    held, another = steps.authorize(at_ms, a, c), steps.authorize(at_ms, a, c)
    _repeat_with_changes(
        steps, held, {"account": b}, {"target": b}, {"amount": "3.01"}, {"life_ms": LONG_MS + 60_000}, text
    )
    taken = steps.add(at_ms + 150, Kind.CAPTURE, steps.bia, amount="2.00", about=held)
    _repeat_with_changes(steps, taken, {"amount": "2.01"}, {"amount": None}, {"about": another})
    freed = steps.add(at_ms + 300, Kind.RELEASE, steps.bia, about=another, after=taken)
    _repeat_with_changes(steps, freed, {"about": held})
    back = steps.add(at_ms + 150, Kind.REVERSE, steps.bia, amount="4.00", about=paid)
    _repeat_with_changes(
        steps, back, {"amount": "4.01"}, {"amount": None}, {"about": steps.pay(at_ms, a, c, "6.00")}, text
    )


def _repeat_with_changes(steps: WarmupSteps, first: Operation, *changes: Mapping[str, object]) -> None:
    at_ms = first.at_ns // MS + 20
    for change in changes:
        steps.repeat(first, at_ms, Intent.CONFLICT, **change)
    steps.repeat(first, at_ms + 40, Intent.REPLAY)


def add_forbidden_requests(steps: WarmupSteps, at_ms: int, a: int, c: int) -> None:
    """Draw requests that only staff may send, that only owners may send, and that not even staff may send."""
    mine = {"intent": Intent.NOT_MINE}
    for kind in (Kind.TRANSFER, Kind.AUTHORIZE):
        steps.add(at_ms, kind, TELLER, account=a, target=c, amount="1.00", **mine)
    steps.add(at_ms, Kind.BATCH, TELLER, account=a, items=((c, "1.00"),), **mine)
    steps.add(at_ms, Kind.WITHDRAW, steps.ana, account=c, amount="1.00", **mine)
    for kind in (Kind.CLOSE, Kind.BALANCE, Kind.HISTORY):
        steps.add(at_ms, kind, steps.ana, account=c, page_size=5 if kind is Kind.HISTORY else None, **mine)
    held, paid = steps.authorize(at_ms, a, c), steps.pay(at_ms, a, c)
    for kind in (Kind.CAPTURE, Kind.RELEASE):
        # The owner of the debited account may neither capture nor release the hold.
        steps.add(at_ms + 100, kind, steps.ana, about=held, **mine)
    steps.add(at_ms + 100, Kind.REVERSE, steps.ana, about=paid, **mine)
    denied = {"intent": Intent.FORBIDDEN}
    for kind in (Kind.FREEZE, Kind.UNFREEZE, Kind.LIMIT, Kind.DEPOSIT):
        steps.add(at_ms, kind, steps.ana, account=a, amount="1.00", **denied)
    steps.add(at_ms, Kind.AUDIT, steps.ana, page_size=5, **denied)
    # Staff may withdraw, release holds, reverse transactions, and read.
    steps.add(at_ms + 150, Kind.WITHDRAW, TELLER, account=a, amount="1.00")
    steps.add(at_ms + 150, Kind.REVERSE, TELLER, about=paid)
    steps.add(at_ms + 150, Kind.RELEASE, TELLER, about=held)
    for kind in (Kind.BALANCE, Kind.HISTORY, Kind.HOLDS):
        steps.add(at_ms + 150, kind, TELLER, account=a, page_size=5 if kind is Kind.HISTORY else None)


def add_boundary_amounts(steps: WarmupSteps, at_ms: int) -> None:
    """Draw payments at and one cent above the balance, the available balance, and the limits."""
    source, target = steps.open_account(steps.ana, "40.00", at_ms), steps.open_account(steps.ana, "1.00", at_ms)
    requests = [
        steps.pay(at_ms, source, target, "40.01"),
        steps.authorize(at_ms, source, target, amount="10.00"),
        steps.pay(at_ms, source, target, "30.01"),
        steps.authorize(at_ms, source, target, amount="30.01"),
        steps.add(at_ms, Kind.LIMIT, TELLER, account=source, amount="2.00"),
        steps.pay(at_ms, source, target, "2.01"),
        steps.authorize(at_ms, source, target, amount="2.01"),
        *(steps.pay(at_ms, source, target, "2.00") for _ in range(3)),
        # The hold counts too: after 10.00 and 6.00, the limit per day permits another 4.00, and not one cent more.
        *(steps.authorize(at_ms, source, target, amount="2.00") for _ in range(2)),
        steps.pay(at_ms, source, target, "0.01"),
        steps.add(at_ms, Kind.LIMITS, steps.ana, account=source),
        steps.add(at_ms, Kind.LIMIT, TELLER, account=source),
        steps.add(at_ms, Kind.LIMITS, steps.ana, account=source),
        steps.authorize(at_ms, source, target, amount="20.00"),
        steps.add(at_ms, Kind.HOLDS, steps.ana, account=source),
    ]
    steps.chain(requests)


def add_status_changes(steps: WarmupSteps, at_ms: int) -> None:
    """Draw postings and reads on frozen and closed accounts, and closings with money and without."""
    one, two = steps.open_account(steps.ana, "10.00", at_ms), steps.open_account(steps.ana, "10.00", at_ms)
    requests = [
        steps.authorize(at_ms, two, one, amount="1.00"),
        steps.add(at_ms, Kind.FREEZE, TELLER, account=one),
        steps.add(at_ms, Kind.BALANCE, steps.ana, account=one),
        steps.add(at_ms, Kind.ME, steps.ana),
        steps.pay(at_ms, one, two),
        steps.pay(at_ms, two, one),
        steps.add(at_ms, Kind.WITHDRAW, steps.ana, account=one, amount="1.00"),
        steps.add(at_ms, Kind.DEPOSIT, TELLER, account=one, amount="1.00"),
        steps.authorize(at_ms, one, two, amount="1.00"),
        steps.authorize(at_ms, two, one, amount="1.00"),
        steps.add(at_ms, Kind.CLOSE, steps.ana, account=one),
        steps.add(at_ms, Kind.UNFREEZE, TELLER, account=one),
        steps.add(at_ms, Kind.BALANCE, steps.ana, account=one),
        steps.add(at_ms, Kind.CLOSE, steps.ana, account=one),
        steps.add(at_ms, Kind.WITHDRAW, steps.ana, account=one, amount="9.00"),
        steps.add(at_ms, Kind.ME, steps.ana),
    ]
    steps.chain(requests)
    opening = steps.generator.opening(at_ms * MS, steps.ana, draw_key(steps.random))
    opening.phase = "warmup"
    steps.operations.append(opening)
    closing = [
        opening,
        steps.add(at_ms, Kind.CLOSE, steps.ana, account=opening.account),
        steps.add(at_ms, Kind.BALANCE, steps.ana, account=opening.account),
        steps.add(at_ms, Kind.DEPOSIT, TELLER, account=opening.account, amount="1.00"),
        steps.pay(at_ms, two, opening.account or 0),
        steps.add(at_ms, Kind.FREEZE, TELLER, account=opening.account),
        steps.add(at_ms, Kind.ME, steps.ana),
    ]
    steps.chain(closing)


def add_hold_expiries(steps: WarmupSteps, at_ms: int, a: int, c: int) -> None:
    """Draw captures and releases of holds shortly before and shortly after their expiry."""
    for around in AROUND_END_MS:
        for kind in (Kind.CAPTURE, Kind.RELEASE):
            hold = steps.authorize(at_ms, a, c, life_ms=ENDING_MS, amount="1.00")
            steps.add(at_ms, kind, steps.bia, about=hold, life_ms=around)
