"""Keys that sign access tokens, each wrapped by the bank's master key."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    create table signing_keys (
        id uuid primary key,
        wrapped bytea not null,
        created_at timestamptz not null,
        -- The key signs from this time on, until a key that was made later does.
        signs_from timestamptz not null,
        -- From this time on, tokens of keys that were made earlier are refused.
        older_until timestamptz not null
    )
    """,
    "grant select, insert on signing_keys to bank_app",
)


def upgrade() -> None:
    """Add the table."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop the table. Tokens of its keys are refused, and their sessions have to be refreshed."""
    op.execute("drop table signing_keys")
