"""An operation on its way into the plan: what it is before it has a number."""

from dataclasses import dataclass, replace
from random import Random
from uuid import UUID

from simulation.model.operations import CURRENCY, KEYED_KINDS, Arm, Intent, Kind
from simulation.model.scenario import Scenario


@dataclass(slots=True, eq=False)
class Draft:
    """An operation that has no number yet; `follows`, `after` and `about` are other drafts."""

    phase: str
    at_ns: int
    kind: Kind
    intent: Intent
    person: int
    slot: int
    key: str | None = None
    account: int | None = None
    target: int | None = None
    amount: str | None = None
    currency: str = CURRENCY
    arm: Arm | None = None
    page_size: int | None = None
    follows: "Draft | None" = None
    waits: bool = False
    after: "Draft | None" = None
    about: "Draft | None" = None
    items: tuple[tuple[int, str], ...] = ()
    atomic: bool = True
    life_ms: int | None = None
    age_ms: int = 0
    text: str | None = None


def clicked(random: Random, scenario: Scenario, draft: Draft) -> list[Draft]:
    """Return the draft with its further clicks: one at the same moment, one later, both through the next worker."""
    if scenario.clicks < 3 or draft.kind not in KEYED_KINDS:
        return [draft]
    second = replace(draft, intent=Intent.DUPLICATE, slot=draft.slot + 1, follows=draft)
    later = draft.at_ns + (random.randrange(300_000_000, 2_000_000_000) if draft.phase == "drive" else 0)
    third = replace(draft, intent=Intent.REPLAY, at_ns=later, slot=draft.slot + 1, follows=draft, waits=True)
    return [draft, second, third]


def key(random: Random) -> str:
    """Draw an idempotency key, as a client would."""
    return str(UUID(int=random.getrandbits(128), version=4))


def reais(amount_minor: int) -> str:
    """Write minor units the way a person sends them, such as 10.50."""
    return f"{amount_minor // 100}.{amount_minor % 100:02d}"
