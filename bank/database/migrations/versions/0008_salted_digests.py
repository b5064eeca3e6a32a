"""Events vouch for what they must not tell: a digest of it, salted with what the row keeps and erasing takes away."""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# Without the salt nobody can try names and addresses against a digest in the log, which is kept for ever.
SALTS = """
alter table users add column salt bytea not null default uuid_send(gen_random_uuid()) check (octet_length(salt) = 16);
alter table holds add column salt bytea check (octet_length(salt) = 16);
alter table transactions add column salt bytea check (octet_length(salt) = 16)
"""


def upgrade() -> None:
    """Add a salt to what people have written or are called."""
    for statement in SALTS.split(";\n"):
        op.execute(statement)


def downgrade() -> None:
    """Refuse: events would vouch for something that nobody could compute any more."""
    raise NotImplementedError("Salts are not taken away: restore a backup instead.")
