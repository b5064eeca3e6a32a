"""The database compares e-mail addresses as bytes: what is the same address, only the bank decides.

PostgreSQL's `lower` and Python's know different versions of Unicode; a letter that only one of them knows made an
address that the other refused.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Drop the check that an address is in lower case."""
    op.execute("alter table users drop constraint users_email_check")


def downgrade() -> None:
    """Check again. Fails where an address has a letter that PostgreSQL writes smaller."""
    op.execute("alter table users add constraint users_email_check check (email = lower(email))")
