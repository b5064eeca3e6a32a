"""The balance and the statement as of any instant come from the entries alone, and never change later."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

from bank.clock import SystemClock
from tests.integration.api import RunningBank, serving, settings_for
from tests.integration.books import Books
from tests.integration.customers import brl, register_customers
from tests.integration.encryption import plain_rows
from tests.integration.payers import SetClock

_STATEMENT = """query S($id: ID!, $from: DateTime!, $to: DateTime!, $first: Int!, $after: String) {
  account(id: $id) { statement(from: $from, to: $to, first: $first, after: $after) {
    openingBalance { amount } closingBalance { amount }
    transactions { edges { change { amount } balanceAfter { amount } } pageInfo { hasNextPage endCursor } }
  } }
}"""


async def test_the_balance_at_every_instant_is_the_sum_of_the_earlier_entries(
    database_url: str, redis_url: str
) -> None:
    clock = SetClock()
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        customers = await register_customers(bank)
        instants, balances = [clock.moment], ["100.00"]
        for number in range(1, 12):
            clock.moment += timedelta(seconds=1)
            await customers.ana.mutate("withdraw", accountNumber=customers.ana.number, amount=brl("1.00"))
            instants.append(clock.moment)
            balances.append(f"{100 - number}.00")
        clock.moment += timedelta(days=1)
        customers.ana.client = await bank.client.login(await _email(bank, customers.ana.id))
        for instant, balance in zip(instants, balances, strict=True):
            for moment, right in ((instant, balance), (instant + timedelta(milliseconds=999), balance)):
                seen = await customers.ana.read(f'balanceAt(at: "{moment.isoformat()}") {{ amount }}')
                assert seen["balanceAt"]["amount"] == right
        before = (instants[0] - timedelta(microseconds=1)).isoformat()
        assert (await customers.ana.read(f'balanceAt(at: "{before}") {{ amount }}'))["balanceAt"]["amount"] == "0.00"


async def test_a_statement_begins_with_the_earlier_balance_and_ends_with_the_sum(
    database_url: str, redis_url: str
) -> None:
    clock = SetClock()
    async with serving(settings_for(database_url, redis_url), clock=clock) as bank:
        customers = await register_customers(bank)
        begin = clock.moment = clock.moment + timedelta(minutes=1)
        for _ in range(5):
            await customers.ana.mutate("withdraw", accountNumber=customers.ana.number, amount=brl("2.00"))
            clock.moment += timedelta(seconds=1)
        end = clock.moment
        await customers.ana.mutate("withdraw", accountNumber=customers.ana.number, amount=brl("50.00"))
        clock.moment += timedelta(seconds=1)
        given: dict[str, object] = {
            "id": customers.ana.id,
            "from": begin.isoformat(),
            "to": end.isoformat(),
            "first": 3,
        }
        first = (await customers.ana.client.send(_STATEMENT, given)).data["account"]["statement"]
        assert (first["openingBalance"]["amount"], first["closingBalance"]["amount"]) == ("100.00", "90.00")
        page = first["transactions"]["pageInfo"]
        assert page["hasNextPage"]
        rest = (await customers.ana.client.send(_STATEMENT, given | {"after": page["endCursor"]})).data["account"][
            "statement"
        ]
        edges = first["transactions"]["edges"] + rest["transactions"]["edges"]
        assert [edge["balanceAfter"]["amount"] for edge in edges] == ["90.00", "92.00", "94.00", "96.00", "98.00"]
        assert not rest["transactions"]["pageInfo"]["hasNextPage"]


async def test_a_future_instant_and_an_end_before_the_start_are_refused(running_bank: RunningBank) -> None:
    customers = await register_customers(running_bank)
    now = running_bank.bank.clock.now()
    late, early = (now + timedelta(minutes=1)).isoformat(), (now - timedelta(minutes=1)).isoformat()
    document = "query Q($id: ID!, $at: DateTime!) { account(id: $id) { balanceAt(at: $at) { amount } } }"
    reply = await customers.ana.client.send(document, {"id": customers.ana.id, "at": late})
    assert reply.code == "BAD_INPUT"
    given = {"id": customers.ana.id, "from": now.isoformat(), "to": early, "first": 3}
    assert (await customers.ana.client.send(_STATEMENT, given)).code == "BAD_INPUT"


async def test_entries_of_an_account_are_in_the_order_of_their_times_with_different_clocks(books: Books) -> None:
    ana = await books.open_account()
    fast = SetClock(datetime.now(UTC) + timedelta(hours=1))
    books.ledger._clock = fast
    await books.deposit(ana, "1.00", key="fast")
    books.ledger._clock = SystemClock()
    await books.deposit(ana, "1.00", key="slow")
    times = await books.connection.fetch("select created_at from entries where account_id = $1 order by version", ana)
    assert all(earlier["created_at"] <= later["created_at"] for earlier, later in pairwise(times))
    assert times[-1]["created_at"] == fast.moment


async def _email(bank: RunningBank, account_id: str) -> str:
    async with bank.bank.database.connection() as connection:
        owner = "select email from users u join accounts a on a.user_id = u.id where a.id = $1"
        [row] = await plain_rows(connection, bank.bank.cipher, owner, account_id)
    return str(row["email"])
