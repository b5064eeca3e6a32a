"""The tokens of each person, and their renewal.

All issued tokens are stored, so a check can search the logs for them.
"""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence

from simulation.client.authenticator import Authenticator
from simulation.client.payloads import read_payload
from simulation.client.send import BankClient, Reply
from simulation.client.value_types import MalformedAnswerError
from simulation.model.answers import Tokens
from simulation.model.operations import Kind
from simulation.model.people import Person


class TokenStore:
    """The tokens of all people in the plan. The session of a person changes only under the lock of the person."""

    def __init__(
        self, people: Sequence[Person], client: BankClient, authenticators: Mapping[int, Authenticator]
    ) -> None:
        self._people = people
        self._authenticators = authenticators
        self._client = client
        self._tokens: dict[int, Tokens] = {}
        self._devices: dict[int, str] = {}
        self._locks: defaultdict[int, asyncio.Lock] = defaultdict(asyncio.Lock)
        self.closed: dict[int, str] = {}
        self.issued: list[Tokens] = []
        self.renewals = 0

    def lock(self, person: int) -> asyncio.Lock:
        """Return the lock for changes of a person's session."""
        return self._locks[person]

    def token(self, person: int) -> str | None:
        """Return the access token of a person, if any."""
        tokens = self._tokens.get(person)
        return tokens.access if tokens else None

    def refresh_token(self, person: int) -> str | None:
        """Return the refresh token of a person, if any."""
        tokens = self._tokens.get(person)
        return tokens.refresh if tokens else None

    def store(self, person: int, tokens: Tokens) -> None:
        """Store a new pair of tokens."""
        self.issued.append(tokens)
        self._tokens[person] = tokens
        if tokens.device is not None:
            self._devices[person] = tokens.device

    def login_variables(self, person: int) -> dict[str, object]:
        """Return the variables of a person's next login.

        They have the token of the person's device, so that attackers elsewhere do not delay it, and a new code if the
        person has a second factor.
        """
        authenticator = self._authenticators.get(person)
        coded = {"secondFactorCode": authenticator.code()} if authenticator else {}
        device_token = self._devices.get(person)
        known = {"deviceToken": device_token} if device_token else {}
        credentials = self._people[person]
        return {"input": {"email": credentials.email, "password": credentials.password, **known, **coded}}

    def close_session(self, person: int, access_token: str | None) -> None:
        """Record that a session is closed, so its access token is no longer used except to test its refusal."""
        if access_token is None:
            return
        self.closed[person] = access_token
        if self.token(person) == access_token:
            del self._tokens[person]

    async def renew(self, person: int, stale: str | None, *, worker: int) -> bool:
        """Get a token other than `stale`, by a refresh or otherwise a login. Return whether there is one."""
        async with self.lock(person):
            if self.token(person) not in {None, stale}:
                return True
            self.renewals += 1
            refresh_token = self.refresh_token(person)
            self._tokens.pop(person, None)
            if refresh_token is not None and await self._request_tokens(
                person, Kind.REFRESH, {"input": {"refreshToken": refresh_token}}, worker
            ):
                return True
            return await self._request_tokens(person, Kind.LOGIN, self.login_variables(person), worker)

    async def _request_tokens(self, person: int, kind: Kind, variables: dict[str, object], worker: int) -> bool:
        address = self._people[person].address
        tokens = tokens_in(kind, await self._client.send(kind, variables, worker=worker, token=None, address=address))
        if tokens is not None:
            self.store(person, tokens)
        return tokens is not None


def tokens_in(kind: Kind, reply: Reply) -> Tokens | None:
    """Return the tokens of a reply, or None if it has none."""
    if reply.data is None or reply.error_codes:
        return None
    try:
        answer = read_payload(kind, reply.data).answer
    except MalformedAnswerError:
        return None
    return answer if isinstance(answer, Tokens) else None
