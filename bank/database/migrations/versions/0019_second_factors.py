"""Second factors of users, and the time at which a session used one."""

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None

UPGRADE = (
    """
    create table second_factors (
        user_id uuid primary key references users (id),
        -- Secrets are encrypted under the key of the user.
        secret text check (starts_with(secret, 'enc1.')),
        confirmed_at timestamptz,
        -- The time step of the last accepted code, so that a code works once.
        last_counter bigint,
        recovery_digests text[] not null,
        pending_secret text check (starts_with(pending_secret, 'enc1.')),
        pending_since timestamptz,
        check ((secret is null) = (confirmed_at is null)),
        check ((pending_secret is null) = (pending_since is null)),
        check (num_nonnulls(secret, pending_secret) > 0)
    )
    """,
    "grant select, insert, update, delete on second_factors to bank_app",
    "alter table sessions add column second_factor_at timestamptz",
    "grant update (second_factor_at) on sessions to bank_app",
)


def upgrade() -> None:
    """Add the table and the column."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop both."""
    op.execute("alter table sessions drop column second_factor_at")
    op.execute("drop table second_factors")
