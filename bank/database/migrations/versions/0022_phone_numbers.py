"""The phone numbers of users, encrypted under the key of the user."""

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column, which an erased user does not have."""
    op.execute(
        "alter table users add column phone text"
        " constraint users_phone_is_encrypted check (starts_with(phone, 'enc1.')),"
        " add constraint users_erased_have_no_phone check (erased_at is null or phone is null)"
    )


def downgrade() -> None:
    """Drop the column."""
    op.execute("alter table users drop column phone")
