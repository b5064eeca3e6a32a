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
class AnswerNode:
    """An object of an answer. `name` is the field that contains it."""

    books: Books
    attempt: Attempt
    type_name: str
    name: str
    shown: Object
    parent: "AnswerNode | None" = None

    @property
    def row(self) -> Row:
        """Return the row of this object, or of the closest object around it that has a row. Raises NoSuchRowError."""
        node: AnswerNode | None = self
        while node is not None and node.type_name not in TABLES:
            node = node.parent
        assert node is not None, "the outermost object of an answer has a row"
        id_ = node.shown.get("id")
        row = self.books.row(TABLES[node.type_name], id_)
        if row is None:
            raise NoSuchRowError(f"shows {node.type_name} {id_}, which does not exist")
        return row

    @property
    def account_id(self) -> str:
        """Return the id of the account that contains this object."""
        node: AnswerNode | None = self
        while node is not None and node.type_name != "Account":
            node = node.parent
        assert node is not None, "only an object inside an account is asked for its account"
        return str(node.shown.get("id"))

    def child(self, name: str, shown: Object, type_name: str) -> "AnswerNode":
        """Return an object in a field of this one."""
        return AnswerNode(self.books, self.attempt, type_name, name, shown, self)

    @property
    def path(self) -> str:
        """Return the path of the object in the answer."""
        names: list[str] = []
        node: AnswerNode | None = self
        while node is not None:
            names.append(node.name)
            node = node.parent
        return ".".join(reversed(names))


Sentences = Iterator[str]
