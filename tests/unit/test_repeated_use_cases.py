"""A use case is repeated at most twice, if the database rolled it back before its commit."""

import pytest

from bank.errors import TransactionRolledBack, Unavailable
from bank.events.unit_of_work import retry_if_rolled_back


@pytest.mark.parametrize(("undone", "attempts"), [(0, 1), (1, 2), (2, 3)])
async def test_what_was_undone_is_done_again(undone: int, attempts: int) -> None:
    seen = []

    @retry_if_rolled_back
    async def use_case(given: str, *, more: str) -> str:
        seen.append((given, more))
        if len(seen) <= undone:
            raise TransactionRolledBack("undone")
        return "done"

    assert await use_case("given", more="more") == "done"
    assert seen == [("given", "more")] * attempts


async def test_what_is_undone_each_time_is_told_after_the_third() -> None:
    attempts = 0

    @retry_if_rolled_back
    async def use_case() -> None:
        nonlocal attempts
        attempts += 1
        raise TransactionRolledBack("undone")

    with pytest.raises(TransactionRolledBack):
        await use_case()
    assert attempts == 3


async def test_what_failed_otherwise_is_not_done_again() -> None:
    attempts = 0

    @retry_if_rolled_back
    async def use_case() -> None:
        nonlocal attempts
        attempts += 1
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await use_case()
    assert attempts == 1
