"""Register a user."""

import re
from dataclasses import dataclass

import asyncpg

from bank.database.statements import load_statements
from bank.documents import normalise_cpf
from bank.events.model import ActionRefusedEvent
from bank.events.people import UserRegisteredEvent
from bank.events.witness import Witness
from bank.events.work import Work, again_if_undone
from bank.identifiers import uuid7
from bank.identity.passwords import Passwords, weakness_of
from bank.identity.profile import User
from bank.ledger.model import Refusal

queries = load_statements(__file__)

# RFC 5321 allows 254; the form is checked loosely, only a mail that arrives proves an address.
EMAIL_MAX = 254
NAME_MAX = 120
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f.]+(\.[^@\s\x00-\x1f\x7f.]+)+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Register:
    """Become a user. `cpf` may be None for staff."""

    email: str
    full_name: str
    cpf: str | None
    password: str
    role: str = "CUSTOMER"


async def register_user(work: Work, witness: Witness, passwords: Passwords, command: Register) -> User | Refusal:
    """Make a user of a person; e-mail address and CPF must not be in use.

    Raises what `Work.begin` and `Witness.tell` raise.
    """
    result = await _register(work, passwords, command)
    if isinstance(result, Refusal):
        await witness.tell(
            ActionRefusedEvent(
                action="register", code=result.code, entity_type="User", entity_id=None, initiated_by=None
            )
        )
    return result


@again_if_undone
async def _register(work: Work, passwords: Passwords, command: Register) -> User | Refusal:
    email = command.email.strip().lower()
    full_name = " ".join(command.full_name.split())
    cpf = normalise_cpf(command.cpf) if command.cpf is not None else None
    if refusal := _refuse(command, email=email, full_name=full_name, cpf=cpf):
        return refusal
    password_hash = await passwords.hash(command.password)
    try:
        async with work.begin() as uow:
            user = User(uuid7(), email, full_name, cpf, command.role, 1, uow.now)
            profile_digest = await queries.insert_user(
                uow.connection,
                id=user.id,
                email=email,
                full_name=full_name,
                cpf=cpf,
                password_hash=password_hash,
                role=command.role,
                now=uow.now,
            )
            uow.emit(UserRegisteredEvent(id=user.id, role=command.role, profile_digest=profile_digest))
    except asyncpg.UniqueViolationError as error:
        if error.constraint_name == "users_email_is_unique":
            message = "This e-mail address belongs to another customer."
            return Refusal(code="EMAIL_TAKEN", message=message, field=("input", "email"))
        return Refusal(code="CPF_TAKEN", message="This CPF belongs to another customer.", field=("input", "cpf"))
    return user


def _refuse(command: Register, *, email: str, full_name: str, cpf: str | None) -> Refusal | None:
    if len(email) > EMAIL_MAX or not _EMAIL.fullmatch(email):
        return _invalid("email", "This is not an e-mail address.")
    if not 2 <= len(full_name) <= NAME_MAX or not full_name.isprintable():
        return _invalid("fullName", f"A full name has 2 to {NAME_MAX} printable characters.")
    if cpf is None and (command.role == "CUSTOMER" or command.cpf is not None):
        return _invalid("cpf", "This is not a valid CPF.")
    if weakness := weakness_of(command.password, email=email, full_name=full_name):
        return Refusal(code="WEAK_PASSWORD", message=weakness, field=("input", "password"))
    return None


def _invalid(field: str, message: str) -> Refusal:
    return Refusal(code="INVALID_INPUT", message=message, field=("input", field))
