"""The limits of users for payments without a fresh second factor."""

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, which an erased user does not have. Null means the limit of the bank."""
    op.execute(
        "alter table users add column step_up_above_minor bigint"
        " constraint users_step_up_check check (step_up_above_minor >= 0),"
        " add constraint users_erased_have_no_step_up check (erased_at is null or step_up_above_minor is null)"
    )


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table users drop column step_up_above_minor")
