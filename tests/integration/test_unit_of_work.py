"""A unit of work has one time for its rows and its events."""

import asyncpg

from tests.integration.api import serving, settings_for
from tests.integration.customers import register_customers


async def test_rows_and_their_events_have_the_same_time(database_url: str, redis_url: str) -> None:
    async with serving(settings_for(database_url, redis_url)) as bank:
        await register_customers(bank)
    connection = await asyncpg.connect(database_url)
    moments = await connection.fetch(
        "select r.created_at, e.created_at from ("
        " select 'UserRegisteredEvent' as event_type, id, created_at from users"
        " union all select 'AccountCreatedEvent', id, created_at from accounts where kind = 'CUSTOMER'"
        ") r left join event_store e on e.event_type = r.event_type and e.aggregate_id = r.id"
        " union all select s.created_at, e.created_at from sessions s left join event_store e"
        " on e.event_type = 'UserLoggedInEvent' and e.event_data ->> 'session_id' = s.id::text"
    )
    await connection.close()
    assert len(moments) > 5
    assert all(told == stored for stored, told in moments)
