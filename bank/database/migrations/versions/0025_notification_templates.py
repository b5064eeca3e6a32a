"""Versions of the templates of notifications that operators have edited."""

from alembic import op

revision = "0025"
down_revision = "0023"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    create table notification_templates (
        name text not null,
        language text not null,
        version integer not null check (version > 0),
        subject text not null,
        short text not null,
        text text not null,
        html text not null,
        created_at timestamptz not null,
        primary key (name, language, version)
    )
    """,
    # A version is never changed, because sent notifications name it.
    "grant select, insert on notification_templates to bank_app",
)


def upgrade() -> None:
    """Add the table."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop the table: the bank goes on with the templates that it ships with."""
    op.execute("drop table notification_templates")
