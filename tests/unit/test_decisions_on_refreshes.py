"""The decision on a refresh token: a new successor, the same one again, a refusal, or a closed session."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from bank.identity.refresh import RefreshDecision, StoredRefreshToken, Successor, decide_refresh

NOW = datetime(2031, 2, 3, 4, 5, 6, tzinfo=UTC)
GRACE = timedelta(seconds=30)
A_MOMENT = timedelta(microseconds=1)

moments = st.timedeltas(timedelta(days=-40), timedelta(days=40)).map(lambda apart: NOW + apart)
successors = st.builds(Successor, used_at=st.none() | moments, expires_at=moments)
tokens = st.builds(
    StoredRefreshToken,
    expires_at=moments,
    used_at=st.none() | moments,
    session_closed_at=st.none() | moments,
    successor=st.none() | successors,
)


def used(ago: timedelta, successor: Successor | None) -> StoredRefreshToken:
    return StoredRefreshToken(
        expires_at=NOW + timedelta(days=30), used_at=NOW - ago, session_closed_at=None, successor=successor
    )


UNUSED = Successor(used_at=None, expires_at=NOW + timedelta(days=30))
USED = Successor(used_at=NOW, expires_at=NOW + timedelta(days=30))


def test_an_unknown_token_is_refused() -> None:
    assert decide_refresh(None, NOW, GRACE) is RefreshDecision.REFUSE


def test_a_token_of_an_open_session_gets_a_successor_until_it_expires() -> None:
    token = StoredRefreshToken(expires_at=NOW, used_at=None, session_closed_at=None)
    assert decide_refresh(token, NOW - A_MOMENT, GRACE) is RefreshDecision.ISSUE
    assert decide_refresh(token, NOW, GRACE) is RefreshDecision.REFUSE


def test_a_used_token_gets_the_same_successor_within_the_grace_period_and_closes_the_session_after_it() -> None:
    assert decide_refresh(used(GRACE - A_MOMENT, UNUSED), NOW, GRACE) is RefreshDecision.REPEAT
    assert decide_refresh(used(GRACE, UNUSED), NOW, GRACE) is RefreshDecision.CLOSE_SESSION
    assert decide_refresh(used(timedelta(0), UNUSED), NOW, timedelta(0)) is RefreshDecision.CLOSE_SESSION


def test_the_use_of_the_successor_ends_the_grace_period() -> None:
    assert decide_refresh(used(timedelta(0), USED), NOW, GRACE) is RefreshDecision.CLOSE_SESSION


def test_a_used_token_whose_successor_is_not_known_is_no_theft_within_the_grace_period() -> None:
    assert decide_refresh(used(timedelta(0), None), NOW, GRACE) is RefreshDecision.REFUSE
    assert decide_refresh(used(GRACE, None), NOW, GRACE) is RefreshDecision.CLOSE_SESSION


def test_a_clock_that_is_behind_the_clock_of_the_first_use_is_within_the_grace_period() -> None:
    assert decide_refresh(used(-GRACE, UNUSED), NOW, GRACE) is RefreshDecision.REPEAT


@given(tokens)
def test_a_closed_session_is_never_continued_and_never_closed_again(token: StoredRefreshToken) -> None:
    if token.session_closed_at is not None:
        assert decide_refresh(token, NOW, GRACE) is RefreshDecision.REFUSE


@given(tokens)
def test_a_used_token_never_gets_a_new_successor(token: StoredRefreshToken) -> None:
    if token.used_at is not None:
        assert decide_refresh(token, NOW, GRACE) is not RefreshDecision.ISSUE
