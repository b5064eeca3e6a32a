"""The audit trail is read by type of entity: an index for the types that are few."""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# Every posting writes rows about accounts and transactions; among those, going down the log finds a page at once.
INDEX = """
create index audit_logs_by_rare_type on audit_logs (entity_type, event_position)
where entity_type not in ('Account', 'Transaction')
"""


def upgrade() -> None:
    """Add the index."""
    op.execute(INDEX)


def downgrade() -> None:
    """Drop the index."""
    op.execute("drop index audit_logs_by_rare_type")
