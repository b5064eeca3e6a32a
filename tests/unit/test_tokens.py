"""Access tokens: only ours open anything, and only for their time."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
from freezegun import freeze_time

from bank.clock import SystemClock
from bank.errors import Unauthenticated
from bank.identity.tokens import AccessTokens, Caller

SECRET = "0123456789abcdef" * 4
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def caller(role: str = "CUSTOMER") -> Caller:
    return Caller(uuid4(), role, uuid4())


def test_a_token_says_who_is_asking() -> None:
    tokens = AccessTokens(SECRET, SystemClock())
    asked = caller("OPERATOR")
    token = tokens.issue(asked, expires_at=datetime.now(UTC) + timedelta(minutes=1))
    assert tokens.verify(token) == asked
    assert AccessTokens(SECRET, SystemClock()).verify(token) == asked


def test_a_token_opens_nothing_from_the_moment_it_expires_remembered_or_not() -> None:
    tokens = AccessTokens(SECRET, SystemClock())
    with freeze_time(NOON) as time:
        token = tokens.issue(caller(), expires_at=NOON + timedelta(minutes=15))
        time.move_to(NOON + timedelta(minutes=15) - timedelta(seconds=1))
        tokens.verify(token)
        time.move_to(NOON + timedelta(minutes=15))
        for worker in (tokens, AccessTokens(SECRET, SystemClock())):
            with pytest.raises(Unauthenticated, match="expired"):
                worker.verify(token)


@pytest.mark.parametrize("spoil", [lambda t: t[:-2], lambda t: t + "x", lambda t: "x" + t, lambda t: t.split(".")[0]])
def test_a_token_that_was_changed_opens_nothing(spoil: object) -> None:
    tokens = AccessTokens(SECRET, SystemClock())
    token = tokens.issue(caller(), expires_at=datetime.now(UTC) + timedelta(minutes=1))
    assert callable(spoil)
    with pytest.raises(Unauthenticated, match="not one of this bank's"):
        tokens.verify(spoil(token))


def test_a_token_of_another_secret_opens_nothing() -> None:
    stranger = AccessTokens("f" * 64, SystemClock())
    token = stranger.issue(caller(), expires_at=datetime.now(UTC) + timedelta(minutes=1))
    with pytest.raises(Unauthenticated):
        AccessTokens(SECRET, SystemClock()).verify(token)
