"""Registration of a user."""

import unicodedata
from dataclasses import dataclass
from uuid import UUID

import asyncpg

from bank.database.statements import load_statements
from bank.documents import normalise_cpf
from bank.encryption.texts import encrypt_text
from bank.events.recorder import EventRecorder
from bank.events.types.audit import ActionRefusedEvent
from bank.events.types.users import UserRegisteredEvent
from bank.events.unit_of_work import UnitOfWorkFactory, retry_if_rolled_back
from bank.identifiers import uuid7
from bank.identity.email_address import normalise_email
from bank.identity.new_address import read_new_address
from bank.identity.passwords import Passwords, WeakPassword
from bank.identity.profile import User
from bank.identity.weakness import Person
from bank.refusal import Refusal
from bank.text import is_readable

queries = load_statements(__file__)

# One letter is only an initial; names of two letters are common.
NAME_MIN = 2
# The longest names in Brazil's civil registries have about a hundred characters.
NAME_MAX = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """The command to register a user. `cpf` may be None for staff."""

    email: str
    full_name: str
    cpf: str | None
    password: str
    role: str = "CUSTOMER"


TAKEN = frozenset({"EMAIL_TAKEN", "CPF_TAKEN"})
"""The codes that say that somebody is a customer. Only the bank's own staff may see them."""


async def register_user(
    uow_factory: UnitOfWorkFactory, recorder: EventRecorder, passwords: Passwords, command: Register
) -> User | Refusal:
    """Register a user. E-mail address and CPF must not be in use.

    Raises the errors of `UnitOfWorkFactory.begin` and `EventRecorder.record`.
    """
    result = await _register(uow_factory, passwords, command)
    if isinstance(result, Refusal):
        owner_id = await _owner_of_taken(uow_factory, command, result.code)
        await recorder.record(
            ActionRefusedEvent(
                action="register", code=result.code, entity_type="User", entity_id=owner_id, initiated_by=None
            )
        )
    return result


async def _owner_of_taken(uow_factory: UnitOfWorkFactory, command: Register, code: str) -> UUID | None:
    """Return the user who has the address or the CPF, and is told of the attempt. None for another code."""
    if code not in TAKEN:
        return None
    cipher = uow_factory.cipher
    if code == "EMAIL_TAKEN":
        email_digest, cpf_digest = cipher.lookup_digest("email", normalise_email(command.email) or ""), None
    else:
        email_digest, cpf_digest = None, cipher.lookup_digest("cpf", normalise_cpf(command.cpf or "") or "")
    async with uow_factory.begin() as uow:
        owner_id: UUID | None = await queries.owner_of(uow.connection, email_digest=email_digest, cpf_digest=cpf_digest)
    return owner_id


@retry_if_rolled_back
async def _register(uow_factory: UnitOfWorkFactory, passwords: Passwords, command: Register) -> User | Refusal:
    email = read_new_address(command.email, field="email")
    full_name = " ".join(unicodedata.normalize("NFC", command.full_name).split())
    cpf = normalise_cpf(command.cpf) if command.cpf is not None else None
    if isinstance(email, Refusal):
        return email
    if refusal := _refuse(command, full_name=full_name, cpf=cpf):
        return refusal
    password_hash = await passwords.hash_new(command.password, Person(email=email, full_name=full_name, cpf=cpf))
    if isinstance(password_hash, WeakPassword):
        return Refusal(code="WEAK_PASSWORD", message=password_hash.message, field=("input", "password"))
    try:
        async with uow_factory.begin() as uow:
            user = User(uuid7(), email, full_name, cpf, None, command.role, 1, uow.now, step_up_above_minor=None)
            cipher = uow_factory.cipher
            key = await cipher.key_for(user.id, uow.connection)
            profile_digest = await queries.insert_user(
                uow.connection,
                id=user.id,
                email=encrypt_text(key, email),
                email_digest=cipher.lookup_digest("email", email),
                full_name=encrypt_text(key, full_name),
                cpf=cpf and encrypt_text(key, cpf),
                cpf_digest=cpf and cipher.lookup_digest("cpf", cpf),
                password_hash=password_hash,
                role=command.role,
                now=uow.now,
            )
            # The new user has no access token yet, so that the person of the origin is named here.
            metadata = await uow_factory.origins.metadata(person_id=user.id, connection=uow.connection)
            uow.emit(UserRegisteredEvent(id=user.id, role=command.role, profile_digest=profile_digest), metadata)
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "users_email_is_unique":
            message = "This e-mail address belongs to another customer."
            return Refusal(code="EMAIL_TAKEN", message=message, field=("input", "email"))
        if error.constraint_name != "users_cpf_is_unique":
            raise
        return Refusal(code="CPF_TAKEN", message="This CPF belongs to another customer.", field=("input", "cpf"))
    return user


def _refuse(command: Register, *, full_name: str, cpf: str | None) -> Refusal | None:
    if not is_readable(full_name, longest=NAME_MAX, visible=NAME_MIN):
        return _invalid("fullName", f"A full name has {NAME_MIN} to {NAME_MAX} characters that can be read.")
    if cpf is None and (command.role == "CUSTOMER" or command.cpf is not None):
        return _invalid("cpf", "This is not a valid CPF.")
    return None


def _invalid(field: str, message: str) -> Refusal:
    return Refusal(code="INVALID_INPUT", message=message, field=("input", field))
