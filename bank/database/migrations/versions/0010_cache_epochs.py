"""Tables for trust in Redis: the workers that hear of changes, and the epoch of the cache."""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    create table cache_members (
        worker uuid primary key,
        beats bigint not null default 0,
        renewed_at timestamptz not null default clock_timestamp()
    )
    """,
    """
    create table cache_epoch (
        only_row boolean primary key default true check (only_row),
        number bigint not null,
        name text not null,
        is_open boolean not null
    )
    """,
    # The first worker opens the first epoch that is used.
    "insert into cache_epoch (number, name, is_open) values (0, 'none', false)",
    "grant select, insert, update, delete on cache_members to bank_app",
    "grant select, update on cache_epoch to bank_app",
)


def upgrade() -> None:
    """Add the tables."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop the tables."""
    op.execute("drop table cache_members, cache_epoch")
