"""Encryption of a person's texts before they are stored, and decryption of stored texts for a response."""

import re
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import UUID

import msgspec

from bank.encryption.keys import DataKeys, Fetch
from bank.encryption.texts import ENCRYPTED_TEXT, DataKey, decrypt_text, encrypt_text, is_encrypted, key_number_of

# An encrypted text in a JSON document.
_QUOTED = re.compile(rf'"{ENCRYPTED_TEXT}"')


class PersonalTextCipher:
    """Encrypts and decrypts texts about persons. Its methods raise the errors of `DataKeys`."""

    def __init__(self, keys: DataKeys) -> None:
        self.keys = keys

    def lookup_digest(self, kind: str, value: str) -> bytes:
        """Return the keyed digest that a value of this kind (`email`, `cpf`) is stored and looked up by."""
        return self.keys.master_key.lookup_digest(kind, value)

    async def key_for(self, person_id: UUID | None, connection: Any = None) -> DataKey:
        """Return the key for texts about a person: the key of today for an unknown (None) or an erased person."""
        key = await self.keys.of_person(person_id, connection) if person_id is not None else None
        return key or await self.keys.of_today(connection)

    async def encrypt(self, text: str | None, person_id: UUID | None, connection: Any = None) -> str | None:
        """Return a text about a person, encrypted. None and the empty text are not encrypted."""
        return encrypt_text(await self.key_for(person_id, connection), text) if text else text

    async def decrypt(self, texts: Iterable[str | None], fetch: Fetch) -> Mapping[str | None, str | None]:
        """Return the plain text of each stored text; None for a text whose key is destroyed.

        Missing keys are read with `fetch`, in one statement. Raises `NotDecryptable` for a text that was changed.
        """
        stored = set(texts)
        numbers = {text: key_number_of(text) for text in stored if text is not None and is_encrypted(text)}
        keys = await self.keys.with_numbers({number for number in numbers.values() if number is not None}, fetch)
        plain: dict[str | None, str | None] = {text: text for text in stored}
        for text, number in numbers.items():
            key = None if number is None else keys.get(number)
            plain[text] = decrypt_text(key, text) if key else None
        return plain

    async def decrypt_documents(self, documents: Iterable[str | None], fetch: Fetch) -> list[str | None]:
        """Return JSON documents with the encrypted texts in them decrypted; null for a text whose key is destroyed."""
        documents = list(documents)
        found = [text for document in documents if document for text in _QUOTED.findall(document)]
        plain = await self.decrypt([text.strip('"') for text in found], fetch)

        def replacement(match: re.Match[str]) -> str:
            return msgspec.json.encode(plain[match[0].strip('"')]).decode()

        return [document and _QUOTED.sub(replacement, document) for document in documents]
