"""Marks of sessions: a mark in Redis opens a session only if the database has opened it and not closed it since."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from bank.cache import session_marks
from bank.cache.session_marks import MARK_LIFE_S, SessionMarks, session_tags
from bank.cache.values import CacheTag
from bank.identifiers import uuid7

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
SECRET = "0123456789abcdef" * 4


class MarksSetup:
    """Session marks with an in-memory Redis and a clock that a test sets."""

    def __init__(self, secret: str = SECRET) -> None:
        self.moment = NOON
        self.stored: dict[UUID, str] = {}
        self.notified: list[CacheTag] = []
        values: Any = self
        self.marks = SessionMarks(values, secret, self, self.notify)
        self.marks.set_listening_since(NOON - timedelta(hours=1))

    def now(self) -> datetime:
        return self.moment

    async def mark_session(self, session_id: UUID, mark: str) -> None:
        self.stored[session_id] = mark

    async def notify(self, tags: Sequence[CacheTag]) -> None:
        self.notified.extend(tags)

    async def opened(self) -> tuple[UUID, str]:
        session_id = uuid7()
        await self.marks.mark_open(session_id, self.moment)
        return session_id, self.stored[session_id]


async def test_a_mark_opens_its_session_for_a_minute() -> None:
    setup = MarksSetup()
    session_id, mark = await setup.opened()
    assert setup.marks.is_open(session_id, mark) is True
    setup.moment += timedelta(seconds=MARK_LIFE_S)
    assert setup.marks.is_open(session_id, mark) is None


async def test_any_other_value_in_redis_opens_no_session() -> None:
    setup = MarksSetup()
    session_id, mark = await setup.opened()
    state, issued, signature = mark.split(" ")
    _, of_another = await setup.opened()
    _, of_another_secret = await MarksSetup("f" * 64).opened()
    forged = (
        "open",
        "",
        " ",
        "open  ",
        mark.upper(),
        mark + " ",
        f"{state} {issued}",
        f"{state} {int(issued) + 1} {signature}",
    )
    for wrong in (
        *forged,
        f"{state} {issued} {'0' * 64}",
        f"open x {signature}",
        "\ufffd",
        of_another,
        of_another_secret,
    ):
        assert setup.marks.is_open(session_id, wrong) is None, wrong


async def test_a_known_revocation_outweighs_every_mark() -> None:
    setup, elsewhere = MarksSetup(), MarksSetup()
    session_id, mark = await setup.opened()
    await setup.marks.close([session_id])
    assert setup.marks.is_open(session_id, mark) is False
    other = CacheTag("account:1", 7, 300)
    assert elsewhere.marks.is_open(session_id, mark) is True
    assert elsewhere.marks.receive([*setup.notified, other]) == [other]
    assert elsewhere.marks.is_open(session_id, mark) is False
    assert MarksSetup().marks.is_open(session_id, setup.stored[session_id]) is False


async def test_a_process_does_not_trust_marks_from_before_its_listener_started() -> None:
    setup = MarksSetup()
    session_id, mark = await setup.opened()
    setup.marks.set_listening_since(NOON + timedelta(microseconds=1))
    assert setup.marks.is_open(session_id, mark) is None
    setup.marks.set_listening_since(NOON)
    assert setup.marks.is_open(session_id, mark) is True


async def test_sessions_beyond_the_limit_of_remembered_ones_are_looked_up_in_the_database(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(session_marks, "CLOSED_MAX", 3)
    setup = MarksSetup()
    session_id, mark = await setup.opened()
    setup.marks.receive(session_tags([session_id, *(uuid7() for _ in range(3))]))
    assert setup.marks.is_open(session_id, mark) is None
