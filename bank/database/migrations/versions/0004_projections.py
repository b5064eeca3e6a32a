"""The first projection, an account's days; and a lease that somebody has taken over says what for."""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

DAYS = """
create table account_days (
    account_id uuid not null,
    -- As customers count days: in America/Sao_Paulo.
    day date not null,
    currency text not null,
    debits bigint not null,
    debited_minor bigint not null,
    credits bigint not null,
    credited_minor bigint not null,
    closing_balance_minor bigint not null,
    -- The versions that this row is made of. One that is in here changes nothing more, whenever it comes again.
    applied int8multirange not null,
    primary key (account_id, day)
) with (fillfactor = 70)
"""

TAKEN_FOR = "alter table subscriber_positions add column taken_for text"


def upgrade() -> None:
    """Add both."""
    op.execute(DAYS)
    op.execute(TAKEN_FOR)


def downgrade() -> None:
    """Take both away: the projection can be made again from the log."""
    op.execute("alter table subscriber_positions drop column taken_for")
    op.execute("drop table account_days")
