"""The execution of the planned attacks, each at its time and independent of the others."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import monotonic_ns

from simulation.attacks.alias_requests import alias_requests
from simulation.attacks.forge_tokens import forge_tokens
from simulation.attacks.guess_ids import guess_ids
from simulation.attacks.record import AttackContext, AttackRecorder
from simulation.attacks.send_burst import send_burst
from simulation.attacks.send_canaries import send_canaries
from simulation.attacks.steal_token import steal_token
from simulation.attacks.stuff_credentials import stuff_credentials
from simulation.model.attacks import Attack, AttackKind

ATTACKS: Mapping[AttackKind, Callable[[AttackRecorder], Awaitable[None]]] = {
    AttackKind.CREDENTIAL_STUFFING: stuff_credentials,
    AttackKind.BURST: send_burst,
    AttackKind.TOKEN_THEFT: steal_token,
    AttackKind.ID_GUESSING: guess_ids,
    AttackKind.ALIASES: alias_requests,
    AttackKind.FORGED_TOKENS: forge_tokens,
    AttackKind.CANARIES: send_canaries,
}
"""The function that executes each kind of attack."""


async def execute_attacks(context: AttackContext, began_ns: int) -> None:
    """Start every attack at its time after the start of the drive; return when the last one has ended."""

    async def execute(attack: Attack) -> None:
        await asyncio.sleep(max(0.0, (began_ns + attack.at_ns - monotonic_ns()) / 1e9))
        await ATTACKS[attack.kind](AttackRecorder(attack, context))

    async with asyncio.TaskGroup() as group:
        for attack in context.plan.attacks:
            group.create_task(execute(attack))
