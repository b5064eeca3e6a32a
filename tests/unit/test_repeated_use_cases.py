"""A use case is repeated at most twice, if the database rolled it back before its commit."""

import pytest

from bank.errors import TransactionRolledBack, Unavailable
from bank.events.unit_of_work import retry_if_rolled_back


@pytest.mark.parametrize(("undone", "attempts"), [(0, 1), (1, 2), (2, 3)])
async def test_a_use_case_that_was_rolled_back_is_repeated(undone: int, attempts: int) -> None:
    seen = []

    @retry_if_rolled_back
    async def use_case(given: str, *, more: str) -> str:
        seen.append((given, more))
        if len(seen) <= undone:
            raise TransactionRolledBack("undone")
        return "done"

    assert await use_case("given", more="more") == "done"
    assert seen == [("given", "more")] * attempts


async def test_a_use_case_that_is_rolled_back_three_times_fails() -> None:
    attempts = 0

    @retry_if_rolled_back
    async def use_case() -> None:
        nonlocal attempts
        attempts += 1
        raise TransactionRolledBack("undone")

    with pytest.raises(TransactionRolledBack):
        await use_case()
    assert attempts == 3


async def test_a_use_case_with_another_failure_is_not_repeated() -> None:
    attempts = 0

    @retry_if_rolled_back
    async def use_case() -> None:
        nonlocal attempts
        attempts += 1
        raise Unavailable("away")

    with pytest.raises(Unavailable):
        await use_case()
    assert attempts == 1
