"""An event on the bus equals the event in the log, whether SQL or Python made it."""

from bank.events.log import read
from bank.events.types.transactions import TransactionCompletedEvent
from tests.integration.api import serving, settings_for
from tests.integration.every_request import EveryRequest
from tests.integration.payers import payer_at

# One request of each kind writes fewer events than this.
EVENTS_MAX = 1_000


async def test_every_event_on_the_bus_equals_the_event_in_the_log(database_url: str, redis_url: str) -> None:
    settings = settings_for(database_url, redis_url, transfer_fee="0.50", withdrawal_fee="2.00")
    async with serving(settings) as running:
        bank = running.bank
        inbox = bank.bus.subscribe("test")
        inbox.open()
        every_request = EveryRequest(running)
        for _ in range(2):
            for ask in (await every_request.next_requests()).values():
                await ask()
        # A description is stored with a salt, and its event has a digest of it.
        payer = await payer_at(running)
        await payer.pay("described", "1.00", description="rent")
        await payer.client.run("AuthorizeHold", input=payer.input("held", "1.00", description="hotel"))
        published = [event for event, _ in inbox.take(after=0, max_events=EVENTS_MAX)]
        async with bank.database.connection() as connection:
            stored = (await read(connection, after=0, max_events=EVENTS_MAX)).events
    assert [event.position for event in published] == list(range(1, len(stored) + 1))
    assert published == list(stored)
    kinds = {event.event.kind for event in stored if isinstance(event.event, TransactionCompletedEvent)}
    assert kinds == {"DEPOSIT", "WITHDRAWAL", "TRANSFER", "FEE", "CAPTURE", "REVERSAL"}
    assert any(event.metadata.key_digest for event in stored)
