"""Sessions have the time of their last use, and are found by their user."""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

UPGRADE = (
    "alter table sessions add column last_used_at timestamptz",
    # A login and each refresh issue a token.
    """
    update sessions set last_used_at = coalesce(used.at, s.created_at)
    from sessions s left join (
        select session_id, max(issued_at) as at from refresh_tokens group by session_id
    ) as used on used.session_id = s.id
    where s.id = sessions.id
    """,
    "alter table sessions alter column last_used_at set not null",
    # Every login counts the open sessions of the user.
    "create index sessions_open_by_user on sessions (user_id, created_at) where closed_at is null",
)


def upgrade() -> None:
    """Add the column and the index."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Drop both."""
    op.execute("drop index sessions_open_by_user")
    op.execute("alter table sessions drop column last_used_at")
