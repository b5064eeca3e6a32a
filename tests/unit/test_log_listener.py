"""The listening connection handles notifications to its end, including those that arrive while it is closing."""

from uuid import uuid4

from bank.events.bus import Bus
from bank.events.leases import CHANNEL, Leases, LogListener


def test_a_notification_during_the_end_of_the_connection_wakes_the_bus() -> None:
    bus, woken = Bus(), []
    bus.wake = lambda: woken.append(True)  # type: ignore[method-assign]
    listener = LogListener(url="postgresql://nowhere/none", bus=bus, leases=Leases([], database=None, owner=uuid4()))  # type: ignore[arg-type]
    listener._own_pid = 5
    ended = None  # a closed connection, which must not be queried
    listener._on_appended(ended, 6, CHANNEL, "")
    assert woken == [True]
    listener._on_appended(ended, 5, CHANNEL, "")
    assert woken == [True]
