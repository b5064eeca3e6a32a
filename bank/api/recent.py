"""Values kept for as long as they are among those last asked for."""

from collections import OrderedDict
from typing import Generic, TypeVar

Kept = TypeVar("Kept")


class Recent(Generic[Kept]):
    """The values last asked for, at most `size` of them, by key."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._values: OrderedDict[str, Kept] = OrderedDict()

    def get(self, key: str) -> Kept | None:
        """Return the value, or None if it is not kept any more."""
        value = self._values.get(key)
        if value is not None:
            self._values.move_to_end(key)
        return value

    def put(self, key: str, value: Kept) -> None:
        """Keep a value; forget the one that was not asked for the longest, if there are too many."""
        self._values[key] = value
        if len(self._values) > self._size:
            self._values.popitem(last=False)
