"""The rows of idempotency keys have a salt, so that an event can vouch for them without telling what is in them."""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# Empty for keys from before this migration, for which no event vouches; they are forgotten within a week.
SALT = "alter table idempotency_keys add column salt bytea not null default '' check (octet_length(salt) in (0, 16))"


def upgrade() -> None:
    """Add the salt."""
    op.execute(SALT)


def downgrade() -> None:
    """Refuse: events would vouch for something that nobody could compute any more."""
    raise NotImplementedError("Salts are not taken away: restore a backup instead.")
