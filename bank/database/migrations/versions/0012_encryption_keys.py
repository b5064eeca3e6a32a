"""Keys that personal data is encrypted with, each wrapped by the bank's master key."""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    create table encryption_keys (
        -- Encrypted texts name their key by this number.
        number bigint generated always as identity primary key,
        person_id uuid constraint encryption_keys_person_is_unique unique,
        -- The key of a day (UTC) is for people who are not known yet.
        day date constraint encryption_keys_day_is_unique unique,
        -- Null after the key was destroyed: then nothing that was encrypted with it can be read.
        wrapped bytea,
        created_at timestamptz not null,
        destroyed_at timestamptz,
        constraint encryption_keys_have_one_owner check ((person_id is null) <> (day is null)),
        constraint encryption_keys_are_destroyed_once check ((wrapped is null) = (destroyed_at is not null))
    )
    """,
    "grant select, insert on encryption_keys to bank_app",
    "grant update (wrapped, destroyed_at) on encryption_keys to bank_app",
)


def upgrade() -> None:
    """Add the table."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: without the keys, everything that was encrypted with them is lost."""
    raise NotImplementedError("Encryption keys are not taken away: restore a backup instead.")
