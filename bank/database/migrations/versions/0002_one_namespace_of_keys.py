"""Every keyed mutation of a caller shares one namespace: the keys of opened accounts move to idempotency_keys."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Where a caller has used one key for a transfer and for an account, as was possible, the transfer keeps it: paying
# twice is worse than one account too many. The digest is the bank's: SHA-256 over the content as a JSON list.
CARRY_OVER = """
insert into idempotency_keys (caller_id, key, operation, request_digest, outcome, created_at)
select user_id, opening_key, 'openAccount', sha256(convert_to(concat('["', currency, '"]'), 'UTF8')),
       jsonb_build_object('opened', jsonb_build_object(
           'id', id, 'user_id', user_id, 'number', number, 'currency', currency, 'created_at', created_at
       )), created_at
from accounts where opening_key is not null
on conflict do nothing
"""


def upgrade() -> None:
    """Move the keys, and drop the column that kept them."""
    op.execute(CARRY_OVER)
    op.execute("alter table accounts drop column opening_key")


def downgrade() -> None:
    """Refuse: which keys came from the column is not known any more."""
    raise NotImplementedError("The keys of opened accounts are not moved back: restore a backup instead.")
