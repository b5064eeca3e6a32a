"""An object within an answer: its fields, its row in the database, and the objects that contain it."""

from collections.abc import Iterator
from dataclasses import dataclass

from simulation.judge.database_state import Row
from simulation.judge.fields.books import Books, Object
from simulation.model.attempts import Attempt

TABLES = {
    "Account": "accounts",
    "Transaction": "transactions",
    "Hold": "holds",
    "User": "users",
    "AuditLog": "audit_logs",
}
"""The table in which an object of each type has its row."""


class NoSuchRowError(LookupError):
    """An error: the answer contains an object that the books do not have."""


@dataclass(frozen=True)
class Place:
    """An object of an answer. `name` is the field that contains it."""

    books: Books
    attempt: Attempt
    type_name: str
    name: str
    shown: Object
    parent: "Place | None" = None

    @property
    def row(self) -> Row:
        """Return the row of this object, or of the closest object around it that has a row. Raises NoSuchRowError."""
        place: Place | None = self
        while place is not None and place.type_name not in TABLES:
            place = place.parent
        assert place is not None, "only what is within an object that has a row is asked for one"
        id_ = place.shown.get("id")
        row = self.books.row(TABLES[place.type_name], id_)
        if row is None:
            raise NoSuchRowError(f"shows {place.type_name} {id_}, and there is none")
        return row

    @property
    def account_id(self) -> str:
        """Return the id of the account that contains this object."""
        place: Place | None = self
        while place is not None and place.type_name != "Account":
            place = place.parent
        assert place is not None, "a history is an account's"
        return str(place.shown.get("id"))

    def within(self, name: str, shown: Object, type_name: str) -> "Place":
        """Return an object in a field of this one."""
        return Place(self.books, self.attempt, type_name, name, shown, self)

    @property
    def path(self) -> str:
        """Return the path of the object in the answer."""
        names: list[str] = []
        place: Place | None = self
        while place is not None:
            names.append(place.name)
            place = place.parent
        return ".".join(reversed(names))


Sentences = Iterator[str]
