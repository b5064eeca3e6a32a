"""Canaries: unique texts in every place of a request, which must appear nowhere that anybody else can read."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import msgspec

from simulation.attacks.record import AttackRecorder
from simulation.model.attacks import CanaryPath
from simulation.model.operations import CURRENCY

CANARY = "a canary"

Composed = tuple[bytes, Mapping[str, str]]
"""The body and the additional headers of a request."""

REFUSED = frozenset(
    {
        "BAD_INPUT",
        "BAD_REQUEST",
        "GRAPHQL_PARSE_FAILED",
        "GRAPHQL_VALIDATION_FAILED",
        "INVALID_CREDENTIALS",
        "INVALID_CPF",
        "INVALID_REFRESH_TOKEN",
        "OPERATION_NOT_FOUND",
        "SAME_ACCOUNT",
        "UNAUTHENTICATED",
    }
)
"""The codes of these requests, which are all wrong in some way."""


async def send_canaries(recorder: AttackRecorder) -> None:
    """Send each canary in its place."""
    token = recorder.tokens.token(recorder.attack.attacker)
    for path, canary in recorder.attack.canaries:
        body, headers = PATHS[path](recorder, canary)
        await recorder.send_body(CANARY, body, token=token, expected=REFUSED, canary=path, headers=headers)


def _operation(document: str, **content: Callable[[AttackRecorder, str], object]) -> Any:
    """Return the composer of an operation of the contract, of which each input is a function of the canary."""

    def compose(recorder: AttackRecorder, canary: str) -> Composed:
        given = {name: make(recorder, canary) for name, make in content.items()}
        return recorder.body(document, {"input": given}), {}

    return compose


def _text(query: Callable[[str], str], **more: Callable[[str], object]) -> Any:
    """Return the composer of a document that is not of the contract."""

    def compose(_recorder: AttackRecorder, canary: str) -> Composed:
        return msgspec.json.encode({"query": query(canary), **{name: make(canary) for name, make in more.items()}}), {}

    return compose


def _header(*names: str) -> Any:
    """Return the composer of a login with the canary in these headers."""

    def compose(recorder: AttackRecorder, canary: str) -> Composed:
        login = {"input": {"email": "nobody@example.com", "password": "not the password"}}
        return recorder.body("Login", login), {name: _HEADERS.get(name, "{}").format(canary) for name in names}

    return compose


_HEADERS = {"Authorization": "Bearer {}", "Cookie": "session={}", "Referer": "https://example.com/?q={}"}


def _canary(_recorder: AttackRecorder, canary: str) -> object:
    return canary


def _always(value: object) -> Callable[[AttackRecorder, str], object]:
    return lambda _recorder, _canary: value


def _victim(recorder: AttackRecorder, _canary: str) -> object:
    return recorder.plan.people[recorder.attack.victim].email


def _own(member: str) -> Callable[[AttackRecorder, str], object]:
    """Return an id or number of the attacker's own account."""

    def read(recorder: AttackRecorder, _canary: str) -> object:
        accounts = recorder.plan.accounts_of(recorder.attack.attacker)
        opened = (recorder.accounts.get(account.index) for account in accounts)
        return next((getattr(account, member) for account in opened if account is not None), "none")

    return read


_PAYMENT = {
    "fromAccountId": _own("account_id"),
    "toAccountNumber": _own("number"),
    "amount": _always({"amount": "1.00", "currency": CURRENCY}),
}
_PERSON = {
    "email": _always("nobody@example.com"),
    "fullName": _always("Nobody"),
    "cpf": _always("111.111.111-11"),
    "password": _always("no secret at all"),
}

PATHS: Mapping[CanaryPath, Callable[[AttackRecorder, str], Composed]] = MappingProxyType(
    {
        CanaryPath.USER_AGENT: _header("User-Agent"),
        CanaryPath.FORWARDED_FOR: _header("X-Forwarded-For"),
        CanaryPath.HEADERS: _header("Cookie", "Referer", "Origin", "X-Request-Id", "Accept-Language", "From"),
        CanaryPath.ACCESS_TOKEN: _header("Authorization"),
        CanaryPath.EMAIL: _operation(
            "Login", email=lambda _, canary: f"{canary}@example.com", password=_always("a guess")
        ),
        CanaryPath.PASSWORD: _operation("Login", email=_victim, password=_canary),
        CanaryPath.REFRESH_TOKEN: _operation("RefreshSession", refreshToken=_canary),
        CanaryPath.FULL_NAME: _operation("Register", **{**_PERSON, "fullName": _canary}),
        CanaryPath.NEW_PASSWORD: _operation("Register", **{**_PERSON, "password": _canary}),
        CanaryPath.CPF: _operation("Register", **{**_PERSON, "cpf": _canary}),
        CanaryPath.DESCRIPTION: _operation(
            "Transfer", idempotencyKey=_always("described"), description=_canary, **_PAYMENT
        ),
        CanaryPath.IDEMPOTENCY_KEY: _operation("Transfer", idempotencyKey=_canary, **_PAYMENT),
        CanaryPath.WRONG_TYPE: _operation("Login", email=_always(7), password=lambda _, canary: {"deep": [canary]}),
        CanaryPath.UNKNOWN_INPUT: _operation("Login", email=_victim, password=_always("a guess"), token=_canary),
        CanaryPath.LITERAL: _text(
            lambda canary: (
                f'mutation {{ login(input: {{email: "nobody@example.com", password: "{canary}"}}) '
                "{ userErrors { code message } } }"
            )
        ),
        CanaryPath.WRONG_LITERAL: _text(
            lambda canary: (
                f'mutation {{ login(input: {{email: 7, password: ["{canary}"]}}) {{ userErrors {{ code }} }} }}'
            )
        ),
        CanaryPath.FIELD: _text(lambda canary: f"{{ {canary} }}"),
        CanaryPath.OPERATION_NAME: _text(lambda _: "query Me { me { id } }", operationName=str),
        CanaryPath.VARIABLE: _text(
            lambda _: "query Read($id: ID!) { account(id: $id) { id } }", variables=lambda canary: {"id": [canary]}
        ),
        CanaryPath.DOCUMENT: _text(lambda canary: f'{{ me(name: "{canary}'),
        CanaryPath.JSON: lambda _recorder, canary: (f'{{"query": "{{ me }}", "password": "{canary}"'.encode(), {}),
    }
)
"""The composer of the request of each place."""
