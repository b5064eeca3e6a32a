"""Events of old versions, as the next version would have told them.

The log is never rewritten: what was stored in version 1 stays so, and is led through one upcaster after the other when
it is read. An upcaster is a pure function of the stored fields. It adds what the next version says and can be known.
"""

from collections.abc import Callable, Mapping
from typing import Any

Fields = dict[str, Any]


def _stood_alone(fields: Fields) -> Fields:
    """Version 1 knew deposits and transfers only: they follow from no other transaction and from no hold."""
    return {**fields, "related_transaction_id": None, "hold_id": None}


UPCASTERS: Mapping[tuple[str, int], Callable[[Fields], Fields]] = {
    ("TransactionInitiatedEvent", 1): _stood_alone,
    ("TransactionCompletedEvent", 1): _stood_alone,
}
"""From which type and version: the function that makes the next version of it."""
