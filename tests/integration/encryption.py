"""Encryption for tests that build parts of a bank themselves."""

from typing import Any
from uuid import UUID

from bank.clock import Clock, SystemClock
from bank.database.pool import Database
from bank.encryption.cipher import PersonalTextCipher
from bank.encryption.keys import DataKeys
from bank.encryption.master_key import MasterKey
from bank.events.origins import EventOrigins

MASTER_KEY = "5eb63bbbe01eeed093cb22bb8f5acdc3a6e58aafe02cdb1c1cd1d0a3e3a0c7e2"
TOKEN_SECRET = "9b2fa0d14c6e8375f1a3bd6207c94e85d02b7c9160fe5a48b3c7d1e69f08a254"


def cipher_for(database: Database, clock: Clock | None = None) -> PersonalTextCipher:
    """Return a cipher with the keys of a database."""
    return PersonalTextCipher(DataKeys(database, MasterKey(MASTER_KEY), clock or SystemClock()))


def origins_for(database: Database, clock: Clock | None = None) -> EventOrigins:
    """Return the maker of metadata for the events in a database."""
    return EventOrigins(cipher_for(database, clock))


def email_digest(address: str, master_key: str = MASTER_KEY) -> bytes:
    """Return the keyed digest that the user with an address is found by."""
    return MasterKey(master_key).lookup_digest("email", address)


async def insert_user(connection: Any, user_id: UUID, *, email: str = "ana@example.com", role: str = "ADMIN") -> None:
    """Insert a user who never logs in, for tests and benchmarks of other tables."""
    await connection.execute(
        "insert into users (id, email, email_digest, full_name, password_hash, role, created_at, updated_at)"
        " values ($1, 'enc1.0.-', $2, 'enc1.0.-', '-', $3, now(), now())", user_id, email_digest(email), role,
    )  # fmt: skip


async def set_role(connection: Any, address: str, role: str, *, master_key: str = MASTER_KEY) -> None:
    """Give the user with an address a role behind the back of the bank."""
    digest = email_digest(address, master_key)
    assert await connection.execute("update users set role = $1 where email_digest = $2", role, digest) == "UPDATE 1"


async def plain_rows(connection: Any, cipher: PersonalTextCipher, sql: str, *arguments: Any) -> list[dict[str, Any]]:
    """Return the rows of a statement with their texts decrypted, inside of JSON documents too."""
    rows = [dict(row) for row in await connection.fetch(sql, *arguments)]
    for row in rows:
        texts = {name: value for name, value in row.items() if isinstance(value, str)}
        plain = await cipher.decrypt(texts.values(), connection.fetch)
        documents = await cipher.decrypt_documents([plain[text] for text in texts.values()], connection.fetch)
        row |= dict(zip(texts, documents, strict=True))
    return rows
