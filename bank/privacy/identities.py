"""The identities of erased users: kept encrypted until a date, as the law demands, and disclosed on record only.

Lei 9.613/1998, art. 10, and Circular BCB 3.978/2020, art. 67: a bank keeps the identification of its customers for ten
years from the first day of the year after the end of the relationship. LGPD, art. 16, I, permits it.
"""

from dataclasses import dataclass
from datetime import date, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID, uuid5

import msgspec

from bank.database.connection import connect
from bank.encryption.cipher import PersonalTextCipher
from bank.errors import BadInput
from bank.events.recorder import EventRecorder
from bank.events.types.privacy import IdentityDisclosedEvent
from bank.privacy.fresh_login import queries
from bank.privacy.policy import POLICY
from bank.text import is_readable

# A fixed random UUID.
_NAMESPACE = UUID("5f0c5e0b-6c0b-4d0e-9f57-0a6a1c0f2d3e")
# A reason is one line for an auditor, such as the number of a court order; it has the limit of other reasons.
REASON_MAX = 140


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """The identification of a person, as the person gave it."""

    email: str
    full_name: str
    cpf: str | None


@dataclass(frozen=True, slots=True)
class RetainedIdentity:
    """The digest of a stored record, and the date from which on it is deleted."""

    digest: str
    keep_until: date


def key_owner(person_id: UUID) -> UUID:
    """Return the owner of the key of a record. It is not the person, whose own key is destroyed."""
    return uuid5(_NAMESPACE, str(person_id))


def keep_until(erased_at: datetime) -> date:
    """Return the end of the term of an identity."""
    years = POLICY["identities"].keep_years
    assert years is not None, "the rule is in years"
    return date(erased_at.year + 1 + years, 1, 1)


async def retain_identity(
    connection: Any, cipher: PersonalTextCipher, person: Any, now: datetime
) -> RetainedIdentity | None:
    """Store the identity of a user who is erased in this transaction; None if the key is destroyed already."""
    plain = await cipher.decrypt((person["email"], person["full_name"], person["cpf"]), connection.fetch)
    email, full_name = plain[person["email"]], plain[person["full_name"]]
    if email is None or full_name is None:
        return None
    identity = Identity(email=email, full_name=full_name, cpf=plain[person["cpf"]])
    text = await cipher.encrypt(msgspec.json.encode(identity).decode(), key_owner(person["id"]), connection)
    assert text is not None
    record, until = text.encode(), keep_until(now)
    await queries.insert_identity(connection, person_id=person["id"], record=record, keep_until=until, now=now)
    return RetainedIdentity(sha256(record).hexdigest(), until)


async def disclose(
    url: str, cipher: PersonalTextCipher, recorder: EventRecorder, *, person_id: UUID, reason: str
) -> Identity:
    """Return the identity of an erased user, once the disclosure and its reason are on record.

    `url` names a login that owns the tables: the role of the bank may not read records. Raises `BadInput` without a
    record or a readable reason, and the errors of `EventRecorder.record`.
    """
    if not is_readable(reason, longest=REASON_MAX):
        raise BadInput(f"A reason has 1 to {REASON_MAX} characters that can be read.")
    connection = await connect(url, name="bank-privacy", timeout=10)
    try:
        record = await queries.identity_of(connection, person_id=person_id)
        if record is None:
            raise BadInput(f"There is no retained identity of user {person_id}.")
        encrypted = await cipher.encrypt(reason, key_owner(person_id)) or ""
        await recorder.record(IdentityDisclosedEvent(subject_id=person_id, reason=encrypted, initiated_by=None))
        text = record.decode()
        plain = (await cipher.decrypt([text], connection.fetch))[text]
    finally:
        await connection.close()
    if plain is None:
        raise BadInput(f"The key of the identity of user {person_id} is destroyed.")
    return msgspec.json.decode(plain, type=Identity)
