"""Aliases: many logins and many reads in one document, which count as many operations for the rate limits."""

from collections.abc import Sequence

import msgspec

from simulation.attacks.record import AttackRecorder
from simulation.model.attacks import Quota

ALL_AT_ONCE = "a hundred operations in one document"
FEW_AT_ONCE = "five logins in one document"

MANY = 100
FEW = 5
"""The most mutations that the bank permits in a document."""

DOCUMENTS_MAX = 20
"""Five times as many logins as the rate limit admits; the bank must have throttled one before."""

TOO_LARGE = frozenset({"DOCUMENT_TOO_COMPLEX", "DOCUMENT_TOO_LARGE"})


async def alias_requests(recorder: AttackRecorder) -> None:
    """Try a hundred logins, then a hundred reads, then a few logins at a time until they are throttled.

    A document has at most one login, so that a few are refused too. But they count for the rate limit.
    """
    guesses = recorder.attack.guesses
    many = [guesses[number % len(guesses)] for number in range(MANY)]
    await recorder.send_body(ALL_AT_ONCE, _logins(many), expected=TOO_LARGE, operations=MANY)
    await recorder.send_body(ALL_AT_ONCE, _reads(), expected=TOO_LARGE, operations=MANY)
    for _ in range(DOCUMENTS_MAX):
        body, expected = _logins(many[:FEW]), {"BAD_INPUT"}
        sent = await recorder.send_body(FEW_AT_ONCE, body, expected=expected, operations=FEW, quota=Quota.LOGIN)
        if "RATE_LIMITED" in sent.codes:
            return


def _logins(guesses: Sequence[tuple[str, str]]) -> bytes:
    fields = "\n".join(
        f"a{number}: login(input: {{email: {_text(email)}, password: {_text(password)}}}) "
        "{ tokens { accessToken } userErrors { code } }"
        for number, (email, password) in enumerate(guesses)
    )
    return msgspec.json.encode({"query": f"mutation {{\n{fields}\n}}"})


def _reads() -> bytes:
    fields = "\n".join(f"a{number}: me {{ id email }}" for number in range(MANY))
    return msgspec.json.encode({"query": f"{{\n{fields}\n}}"})


def _text(value: str) -> str:
    return msgspec.json.encode(value).decode()
