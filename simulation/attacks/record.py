"""The requests of one attack, by the attacker and by the victim, each recorded with its answer."""

import asyncio
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from time import monotonic_ns
from typing import Any

import msgspec

from simulation.client.history import History
from simulation.client.send import BankClient, Reply
from simulation.client.tokens import TokenStore
from simulation.model.answers import OpenedAccount, Tokens
from simulation.model.attacks import Attack, AttackRequest
from simulation.model.plan import Plan

ATTACKERS_PROGRAM = "curl/8.5.0"
"""The user agent of all attackers."""

OWNER_ATTEMPTS_MAX = 5
"""An owner whose request was not decided repeats it, as other people do. Attackers do not."""

PAUSE_S = 0.5


@dataclass(frozen=True, slots=True, repr=False)
class AttackContext:
    """The run in which attacks are executed: the tokens and accounts of people, and the secret that signs tokens."""

    plan: Plan
    client: BankClient
    history: History
    tokens: TokenStore
    accounts: Mapping[int, OpenedAccount]
    token_secret: str


class AttackRecorder:
    """A sender of the requests of one attack.

    Attackers send from the addresses of the attack in turn, and through all workers in turn.
    """

    def __init__(self, attack: Attack, context: AttackContext) -> None:
        self.attack = attack
        self.plan = context.plan
        self.workers = context.client.workers
        self.tokens = context.tokens
        self.accounts = context.accounts
        self.attempts = context.history.attempts
        self.token_secret = context.token_secret
        self._client = context.client
        self._history = context.history
        self._sent = 0

    async def send(
        self,
        step: str,
        document: str,
        variables: Mapping[str, object],
        *,
        token: str | None = None,
        expected: Collection[str] = (),
        **more: Any,
    ) -> AttackRequest:
        """Send an operation of `contracts/operations/` as the attacker."""
        body = self.body(document, variables)
        return await self.send_body(step, body, token=token, expected=expected, **more)

    async def send_as_owner(
        self, step: str, document: str, variables: Mapping[str, object], *, expected: Collection[str] = (), **more: Any
    ) -> AttackRequest:
        """Send an operation as the victim, again if there is no decision."""
        for _ in range(OWNER_ATTEMPTS_MAX):
            body = self.body(document, variables)
            request = await self.send_body(step, body, expected=expected, by_owner=True, **more)
            if request.is_answered:
                break
            await asyncio.sleep(PAUSE_S)
        return request

    def body(self, document: str, variables: Mapping[str, object]) -> bytes:
        """Return the body of an operation of `contracts/operations/`."""
        query = self._client.document(document)
        return msgspec.json.encode({"query": query, "operationName": document, "variables": variables})

    async def send_body(
        self,
        step: str,
        body: bytes,
        *,
        token: str | None = None,
        expected: Collection[str] = (),
        by_owner: bool = False,
        worker: int | None = None,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> AttackRequest:
        """Send a body of any content, and record it with its answer."""
        attack = self.attack
        address = attack.addresses[self._sent % len(attack.addresses)]
        if by_owner:
            address = self.plan.people[attack.victim].address or address
        request = AttackRequest(
            attack,
            step,
            by_owner,
            (attack.slot + self._sent if worker is None else worker) % self.workers,
            address,
            monotonic_ns(),
            body,
            expected=frozenset(expected),
            **more,
        )
        self._sent += 1
        sent = {
            "Content-Type": "application/json",
            "User-Agent": "bank-simulation" if by_owner else ATTACKERS_PROGRAM,
            "X-Forwarded-For": address,
            **({"Authorization": f"Bearer {token}"} if token else {}),
            **(headers or {}),
        }
        if headers and "X-Forwarded-For" in headers:
            # The proxy appends the address of the attacker to what the attacker has sent.
            sent["X-Forwarded-For"] = f"{headers['X-Forwarded-For']}, {address}"
        reply = await self._client.send_body(body, sent, worker=request.worker)
        request.ended_ns = monotonic_ns()
        request.status, request.correlation_id, request.body = reply.status, reply.correlation_id, reply.body
        request.codes, request.failure = refusal_codes(reply), reply.failure
        self._history.record_attack(request)
        return request

    async def log_in_as_owner(self, step: str) -> Tokens | None:
        """Begin another session of the victim; None if this is not possible."""
        # From the device of the person, because guesses of the password delay logins from unknown devices.
        variables = self.tokens.login_variables(self.attack.victim)
        return tokens_in(await self.send_as_owner(step, "Login", variables))


def refusal_codes(reply: Reply) -> tuple[str, ...]:
    """Return the codes of all refusals in a reply: those of the errors, and those in payloads."""
    return (*reply.error_codes, *_user_errors(reply.data))


def _user_errors(value: object) -> Iterator[str]:
    if isinstance(value, list):
        for one in value:
            yield from _user_errors(one)
    elif isinstance(value, dict):
        for name, inner in value.items():
            if name == "userErrors":
                yield from (str(error["code"]) for error in inner)
            else:
                yield from _user_errors(inner)


def tokens_in(request: AttackRequest) -> Tokens | None:
    """Return the tokens in the answer to a login or a refresh, or None if it has none."""
    if request.body is None or request.is_refused or request.failure is not None:
        return None
    payloads = (msgspec.json.decode(request.body).get("data") or {}).values()
    for payload in payloads:
        if isinstance(payload, dict) and isinstance(payload.get("tokens"), dict):
            return Tokens(payload["tokens"]["accessToken"], payload["tokens"]["refreshToken"])
    return None
