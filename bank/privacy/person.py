"""Look-up of a person for a command: by the id of the user, or by their e-mail address."""

from typing import Any
from uuid import UUID

from bank.encryption.cipher import PersonalTextCipher
from bank.errors import BadInput
from bank.identifiers import read_uuid
from bank.identity.email_address import normalise_email
from bank.privacy.fresh_login import queries


async def find_person(connection: Any, cipher: PersonalTextCipher, text: str) -> UUID:
    """Return the id of the user that an id or an e-mail address names. Raises `BadInput` if there is none."""
    try:
        found = await queries.user_with_id(connection, id=read_uuid(text))
    except ValueError:
        address = normalise_email(text)
        if address is None:
            raise BadInput(f"{text} is neither the id of a user nor an e-mail address.") from None
        digest = cipher.lookup_digest("email", address)
        found = await queries.user_with_email(connection, email_digest=digest)
    if found is None:
        raise BadInput(f"There is no user {text}.")
    person_id: UUID = found
    return person_id
