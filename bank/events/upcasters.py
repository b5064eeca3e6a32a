"""Upcasters: functions that convert an event of an old version to the next version.

The log is never rewritten. An event that was stored in version 1 stays so, and passes through one upcaster after the
other when it is read. An upcaster is a pure function of the stored fields. It adds the fields of the next version.
"""

from collections.abc import Callable, Mapping
from typing import Any

Fields = dict[str, Any]


def _without_relations(fields: Fields) -> Fields:
    """Add empty relations: version 1 only had deposits and transfers, without related transactions and holds."""
    return {**fields, "related_transaction_id": None, "hold_id": None}


UPCASTERS: Mapping[tuple[str, int], Callable[[Fields], Fields]] = {
    ("TransactionInitiatedEvent", 1): _without_relations,
    ("TransactionCompletedEvent", 1): _without_relations,
}
"""The upcaster of each type and version to the next version."""
