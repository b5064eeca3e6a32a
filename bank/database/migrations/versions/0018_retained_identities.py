"""The identities of erased users, encrypted, for as long as the law demands them."""

from alembic import op

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    create table retained_identities (
        person_id uuid primary key,
        -- Encrypted with a key of its own, which is destroyed with the row.
        record bytea not null check (starts_with(encode(record, 'escape'), 'enc1.')),
        record_digest bytea not null generated always as (sha256(record)) stored,
        keep_until date not null,
        created_at timestamptz not null
    )
    """,
    # The running bank writes and deletes records. Only the login of the owner, for `bank privacy disclose`, reads them.
    "grant insert, delete on retained_identities to bank_app",
    "grant select (person_id, record_digest, keep_until, created_at) on retained_identities to bank_app",
)


def upgrade() -> None:
    """Add the table."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Refuse: the law demands the records."""
    raise NotImplementedError("Retained identities are not taken away: restore a backup instead.")
