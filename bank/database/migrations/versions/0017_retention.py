"""The privileges of the retention: the bank deletes sessions, refresh tokens and dead letters after their time."""

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

UPGRADE = (
    "grant delete on sessions, refresh_tokens, dead_letters to bank_app",
    # A refresh token is deleted with its session.
    "create index refresh_tokens_by_session on refresh_tokens (session_id)",
)


def upgrade() -> None:
    """Grant them."""
    for statement in UPGRADE:
        op.execute(statement)


def downgrade() -> None:
    """Revoke them."""
    op.execute("drop index refresh_tokens_by_session")
    op.execute("revoke delete on sessions, refresh_tokens, dead_letters from bank_app")
