"""Accounts have the role of the member of staff who froze them, because it decides who may unfreeze them."""

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Add the column. Accounts that are frozen already have no role: any member of staff may unfreeze them."""
    op.execute(
        "alter table accounts add column frozen_by_role text constraint accounts_frozen_by_role_is_of_staff"
        " check (frozen_by_role is null or (frozen_by_role in ('OPERATOR', 'ADMIN') and status = 'FROZEN'))"
    )
    op.execute("grant update (frozen_by_role) on accounts to bank_app")


def downgrade() -> None:
    """Drop it."""
    op.execute("alter table accounts drop column frozen_by_role")
