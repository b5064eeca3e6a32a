"""Profiles of users are stored encrypted, and looked up by keyed digests of e-mail address and CPF (R15).

The migration encrypts the existing profiles, so that it needs the master key if there are any.
"""

import os
from typing import Any
from uuid import UUID

from alembic import op
from sqlalchemy import text

from bank.encryption.master_key import KEY_BYTES, MasterKey, WrongMasterKey
from bank.encryption.texts import DataKey, encrypt_text
from bank.settings import SettingsError, load_master_key

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# A batch of profiles takes about a megabyte of memory.
BATCH_MAX = 1_000

NEW_COLUMNS = (
    "alter table users add column email_digest bytea, add column cpf_digest bytea, add column erased_at timestamptz",
    # The unique constraints move to the digests: encrypted texts differ even if the plain ones are equal.
    """
    alter table users drop constraint users_email_is_unique, drop constraint users_cpf_is_unique,
        drop constraint users_cpf_check, drop constraint users_check
    """,
)
CONSTRAINTS = (
    """
    alter table users
        add constraint users_email_is_unique unique (email_digest),
        add constraint users_cpf_is_unique unique (cpf_digest),
        alter column email drop not null,
        alter column full_name drop not null,
        alter column password_hash drop not null,
        add constraint users_are_encrypted check (
            email like 'enc1.%' and full_name like 'enc1.%' and cpf like 'enc1.%'
            and octet_length(email_digest) = 32 and octet_length(cpf_digest) = 32
        ),
        -- An erased user has no profile, and every other one a whole profile. Staff may have no CPF.
        add constraint users_are_whole_or_erased check (
            case when erased_at is null
                then num_nulls(email, email_digest, full_name, password_hash) = 0
                    and num_nulls(cpf, cpf_digest) in (0, 2) and (role <> 'CUSTOMER' or cpf is not null)
                else num_nonnulls(email, email_digest, full_name, password_hash, cpf, cpf_digest) = 0
            end
        )
    """,
)

READ_USERS = """
    select u.id, u.email, u.full_name, u.cpf, k.number, k.wrapped
    from users u left join encryption_keys k on k.person_id = u.id where u.id > :after order by u.id limit :max_rows
"""
INSERT_KEY = """
    insert into encryption_keys (person_id, wrapped, created_at) values (:person_id, :wrapped, now()) returning number
"""
WRITE_USER = """
    update users set email = :email, email_digest = :email_digest, full_name = :full_name, cpf = :cpf,
        cpf_digest = :cpf_digest, version = version + 1, updated_at = now()
    where id = :id
"""
# The digests of the profiles were made from the plain values.
APPEND_EVENTS = """
    with head as (
        update event_log_head set position = position + (select count(*) from users) returning position
    )
    insert into event_store (id, position, event_type, aggregate_id, aggregate_type, event_data, event_version, user_id,
        metadata, created_at)
    select uuidv7(), h.position - count(*) over () + row_number() over (order by u.id), 'UserProfileChangedEvent',
        u.id, 'User', jsonb_build_object(
            'subject_id', u.id, 'change', 'ENCRYPTION', 'initiated_by', null,
            'profile_digest', encode(sha256(u.salt || convert_to(json_build_array(
                u.email, u.full_name, u.cpf, u.password_hash, encode(u.email_digest, 'hex'), encode(u.cpf_digest, 'hex')
            )::text, 'UTF8')), 'hex')
        ), 1, null, '{}', now()
    from users u cross join head h
"""


def upgrade() -> None:
    """Add the columns, encrypt the profiles, and append an event with the new digest of each."""
    connection = op.get_bind()
    for statement in NEW_COLUMNS:
        op.execute(statement)
    users = connection.scalar(text("select count(*) from users"))
    if users:
        try:
            _encrypt_users(connection, MasterKey(load_master_key()))
        except (SettingsError, WrongMasterKey) as error:
            raise SettingsError(
                f"{error} Migration {revision} encrypts the profiles of all users ({users}) with it. "
                "Nothing was changed."
            ) from error
        connection.execute(text(APPEND_EVENTS))
    for statement in CONSTRAINTS:
        op.execute(statement)


def _encrypt_users(connection: Any, master_key: MasterKey) -> None:
    after = UUID(int=0)
    while rows := connection.execute(text(READ_USERS), {"after": after, "max_rows": BATCH_MAX}).all():
        connection.execute(text(WRITE_USER), [_encrypted(connection, master_key, row) for row in rows])
        after = rows[-1].id


def _encrypted(connection: Any, master_key: MasterKey, row: Any) -> dict[str, Any]:
    key = _key_of(connection, master_key, row)
    return {
        "id": row.id,
        "email": encrypt_text(key, row.email),
        "email_digest": master_key.lookup_digest("email", row.email),
        "full_name": encrypt_text(key, row.full_name),
        "cpf": None if row.cpf is None else encrypt_text(key, row.cpf),
        "cpf_digest": None if row.cpf is None else master_key.lookup_digest("cpf", row.cpf),
    }


def _key_of(connection: Any, master_key: MasterKey, row: Any) -> DataKey:
    """Return the key of a user, who may have one since migration 0012. Raises `WrongMasterKey`."""
    if row.number is not None:
        if row.wrapped is None:
            raise WrongMasterKey(f"The key of {row.id} is destroyed.")
        return DataKey.of_bytes(row.number, master_key.unwrap(row.wrapped, owner=str(row.id)))
    plain = os.urandom(KEY_BYTES)
    wrapped = master_key.wrap(plain, owner=str(row.id))
    number = connection.scalar(text(INSERT_KEY), {"person_id": row.id, "wrapped": wrapped})
    return DataKey.of_bytes(number, plain)


def downgrade() -> None:
    """Refuse: the plain values would come back into a database that promises not to have them."""
    raise NotImplementedError("Profiles are not decrypted again: restore a backup instead.")
